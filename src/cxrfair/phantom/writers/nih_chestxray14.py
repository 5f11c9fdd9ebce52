"""NIH ChestX-ray14: one entry table with labels joined by `|`, boxes, official lists, PNG files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.writers import _images

PROFILE = Profile(
    dataset="nih_chestxray14",
    portable_share=0.40,
    log_gamma=-0.10,
    brightness=0.02,
    contrast=0.05,
    border=0.01,
    grain=0.0,
    laterals=False,
)
NAMES = {  # the source's words; what is not here the source has no label for
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "edema": "Edema",
    "lung_opacity": "Infiltration",
    "mass": "Mass",
    "nodule": "Nodule",
    "pleural_effusion": "Effusion",
    "pleural_other": "Pleural_Thickening",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
}
BOXED = {  # the box list's words
    finding: NAMES[finding]
    for finding in (
        "atelectasis",
        "cardiomegaly",
        "mass",
        "nodule",
        "pleural_effusion",
        "pneumonia",
        "pneumothorax",
    )
} | {"lung_opacity": "Infiltrate"}
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
BOX_PIXELS = 1024  # boxes are in the pixels of the full-size release, whatever size is written
TEST_SHARE = 0.23  # of patients, as in the official lists
LAYOUT = _images.Layout(PROFILE)


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    with output.Tables(root) as tables:
        tables.add_text("BBox_List_2017.csv", BOX_HEADER + "\n")
        for scenes in scene.blocks(config, PROFILE):
            images = scenes.assign(image_id=_names(scenes))
            images["path"] = "images/" + images["image_id"]
            said = reporting.report(config, images, PROFILE.dataset)
            images = _images.save(config, images, root, LAYOUT)
            tables.append("Data_Entry_2017_v2020.csv", _entries(images, said))
            tables.add_text("BBox_List_2017.csv", _boxes(config, images, said))
            for name, chosen in _official(config, images).items():
                tables.add_text(name, "".join(f"{image}\n" for image in chosen))
            yield images


def _names(images: pd.DataFrame) -> list[str]:
    """Return file names by patient and follow-up."""
    pairs = zip(images["patient"] + 1, images["study"], strict=True)
    return [f"{patient:08d}_{number:03d}.png" for patient, number in pairs]


def _official(config: PhantomConfig, images: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the images of each official list, by patient."""
    u = noise.uniform(config.seed, "nih official split", images["patient"].to_numpy(), 1)[:, 0]
    tested = u < TEST_SHARE
    return {
        "train_val_list.txt": images["image_id"][~tested],
        "test_list.txt": images["image_id"][tested],
    }


def _entries(images: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `Data_Entry_2017_v2020.csv`; this source knows no doubt."""
    seen = said[list(NAMES)].isin(reporting.NOTICED).to_numpy()
    words = np.asarray(list(NAMES.values()))
    labels = ["|".join(words[row]) or "No Finding" for row in seen]
    portable = images["portable"].to_numpy(bool)
    spacing = np.where(portable, 0.168, 0.143)
    return pd.DataFrame(
        {
            "Image Index": images["image_id"],
            "Finding Labels": labels,
            "Follow-up #": images["study"],
            "Patient ID": images["patient"] + 1,
            "Patient Age": images["age_years"].astype(int),
            "Patient Gender": images["sex"].map({"female": "F", "male": "M"}),
            "View Position": images["view"],
            "OriginalImage[Width": np.where(portable, 2500, 2992),
            "Height]": np.where(portable, 2048, 2991),
            "OriginalImagePixelSpacing[x": spacing,
            "y]": spacing,
        }
    )


def _boxes(config: PhantomConfig, images: pd.DataFrame, said: pd.DataFrame) -> str:
    """Return lines of `BBox_List_2017.csv`: some of the findings that were reported."""
    keys = images["image_key"].to_numpy()
    chosen = noise.uniform(config.seed, "nih boxes", keys, len(BOXED)) < config.box_share
    lines = []
    for row, image in enumerate(images["image_id"]):
        found = json.loads(images["boxes"].iloc[row])
        for i, finding in enumerate(BOXED):
            if chosen[row, i] and finding in found and said[finding].iloc[row] == "positive":
                box = ",".join(str(share * BOX_PIXELS) for share in found[finding])
                lines.append(f"{image},{BOXED[finding]},{box}\n")
    return "".join(lines)
