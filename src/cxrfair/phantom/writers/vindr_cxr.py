"""VinDr-CXR: DICOM in two folders, findings and boxes by three readers, or by their consensus."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes
from cxrfair.phantom.writers import _dicom, _images

PROFILE = Profile(
    dataset="vindr_cxr",
    portable_share=0.001,  # PA images alone were released
    log_gamma=-0.18,
    brightness=0.03,
    contrast=0.10,
    border=0.0,
    grain=-0.2,
    laterals=False,
)
LOCAL = {  # findings with boxes, in the order of the source's columns
    "Aortic enlargement": (),
    "Atelectasis": ("atelectasis",),
    "Calcification": (),
    "Cardiomegaly": ("cardiomegaly",),
    "Clavicle fracture": (),
    "Consolidation": ("consolidation",),
    "Edema": ("edema",),
    "Emphysema": (),
    "Enlarged PA": (),
    "ILD": (),
    "Infiltration": (),
    "Lung Opacity": ("lung_opacity",),
    "Lung cavity": (),
    "Lung cyst": (),
    "Mediastinal shift": (),
    "Nodule/Mass": ("nodule", "mass"),
    "Pleural effusion": ("pleural_effusion",),
    "Pleural thickening": ("pleural_other",),
    "Pneumothorax": ("pneumothorax",),
    "Pulmonary fibrosis": (),
    "Rib fracture": ("fracture",),
    "Other lesion": (),
}
GLOBAL = {
    "COPD": (),
    "Lung tumor": (),
    "Pneumonia": ("pneumonia",),
    "Tuberculosis": (),
    "{other}": (),
}
OTHER = {"train": "Other diseases", "test": "Other disease"}  # spelt two ways
NONE = "No finding"
READERS, A_READING = 17, 3  # radiologists, and how many of them read a training image
TEST_SHARE = 1 / 6
INVERTED_SHARE = 0.15  # MONOCHROME1
DETECTOR = _dicom.Detector(bits=12, lowest=300, step=12)


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time.

    Each patient has one image, as the source names no patients.
    """
    with output.Tables(root) as tables:
        for scenes in scene.blocks(config, PROFILE):
            images = _identified(config, scenes[scenes["study"] == 0].reset_index(drop=True))
            images = _images.save(config, images, root, LAYOUT)
            images["spoilt"] = images["spoilt"].mask(
                (images["spoilt"] == "") & ~images["with_pixels"], _dicom.WITHOUT_PIXELS
            )
            for fold, rows in images.groupby("fold"):
                _add_readings(config, tables, str(fold), rows.reset_index(drop=True))
            yield images


def _identified(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Add identifier, fold and path, and how the file is written."""
    keys = images["image_key"].to_numpy()
    u = noise.uniform(config.seed, "vindr file", keys, 3).T
    names = [blake2b(f"vindr/{config.seed}/{k}".encode(), digest_size=16).hexdigest() for k in keys]
    images = images.assign(
        image_id=names,
        fold=np.where(u[0] < TEST_SHARE, "test", "train"),
        inverted=u[1] < INVERTED_SHARE,
        first_reader=(u[2] * READERS).astype(int),
        with_pixels=~_dicom.without_pixels(config, images),
    )
    images["path"] = images["fold"] + "/" + images["image_id"] + ".dicom"
    return images


def _encoder(config: PhantomConfig, images: pd.DataFrame, root: Path) -> _images.Encode:
    """Return what writes each image by its path, with the tags its file has."""
    u = noise.uniform(config.seed, "vindr tags", images["image_key"].to_numpy(), 2)
    known = u >= config.missing_share
    headers = {}
    rows: Any = images.itertuples()
    for row, (has_sex, has_age) in zip(rows, known, strict=True):
        sex = {"female": "F", "male": "M"}[row.sex] if has_sex else ""
        tags = {"PatientSex": sex}
        if has_age:
            tags["PatientAge"] = f"{int(row.age_years):03d}Y"
        headers[root / row.path] = _dicom.Header(
            f"vindr/{row.image_id}", "DX", row.inverted, row.with_pixels, tags
        )
    return partial(_encode, headers)


def _encode(headers: Mapping[Path, _dicom.Header], path: Path, grey: Bytes, how: str) -> None:
    """Write one picture."""
    output.save_bytes(path, _dicom.encode(grey, DETECTOR, headers[path]), how)


LAYOUT = _images.Layout(PROFILE, _encoder)


def _add_readings(
    config: PhantomConfig, tables: output.Tables, fold: str, images: pd.DataFrame
) -> None:
    """Add what each reader, or the test set's consensus, says of some images."""
    by_reader = fold == "train"
    for reader in range(A_READING if by_reader else 1):
        stream = f"vindr_cxr reader {reader}" if by_reader else "vindr_cxr consensus"
        said = reporting.report(config, images, stream).isin(reporting.NOTICED)
        who = "R" + ((images["first_reader"] + reader) % READERS + 1).astype(str)
        votes = _votes(said, fold)
        columns = {"image_id": images["image_id"]} | ({"rad_id": who} if by_reader else {})
        tables.append(f"annotations/image_labels_{fold}.csv", pd.DataFrame({**columns, **votes}))
        boxes = _boxes(config, images.assign(rad_id=who), said, votes)
        drawn = boxes if by_reader else boxes.drop(columns="rad_id")
        tables.append(f"annotations/annotations_{fold}.csv", drawn)


def _votes(said: pd.DataFrame, fold: str) -> dict[str, pd.Series]:
    """Return 1 or 0 for each of the source's columns."""
    votes = {
        name.format(other=OTHER[fold]): said[[f for f in findings if f in said]].any(axis=1)
        for name, findings in (LOCAL | GLOBAL).items()
    }
    votes[NONE] = ~pd.DataFrame(votes).any(axis=1)
    return {name: vote.astype(int) for name, vote in votes.items()}


def _boxes(
    config: PhantomConfig, images: pd.DataFrame, said: pd.DataFrame, votes: dict[str, pd.Series]
) -> pd.DataFrame:
    """Return a row a box, and one without corners for each image without a finding."""
    rows = []
    each: Any = images.itertuples()
    for i, image in enumerate(each):
        found = json.loads(image.boxes)
        who = (image.image_id, image.rad_id)
        for name, findings in LOCAL.items():
            for finding in (f for f in findings if f in found and said[f].iloc[i]):
                x, y, width, height = (share * config.image_size for share in found[finding])
                rows.append((*who, name, x, y, x + width, y + height))
        if votes[NONE].iloc[i]:
            rows.append((*who, NONE, None, None, None, None))
    columns = ["image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max"]
    return pd.DataFrame(rows, columns=columns)
