"""PadChest: one table with labels as lists of words, and 16-bit pictures in numbered folders."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.population import FINDINGS
from cxrfair.phantom.scene import Bytes
from cxrfair.phantom.writers import _images

PROFILE = Profile(
    dataset="padchest",
    portable_share=0.15,
    log_gamma=-0.15,
    brightness=-0.02,
    contrast=0.08,
    border=0.0,
    grain=0.15,
    laterals=True,
)
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
FOLDERS = 55
FULL = 257  # eight bits to sixteen: 255 becomes 65,535
WORDS = {
    "atelectasis": ("laminar atelectasis", "atelectasis", "lobar atelectasis"),
    "cardiomegaly": ("cardiomegaly",),
    "consolidation": ("consolidation", "air bronchogram"),
    "edema": ("pulmonary edema",),
    "enlarged_cardiomediastinum": ("mediastinal enlargement", "superior mediastinal enlargement"),
    "fracture": ("rib fracture", "callus rib fracture"),
    "lung_opacity": ("infiltrates",),
    "mass": ("pulmonary mass", "mass"),
    "nodule": ("nodule", "multiple nodules"),
    "pleural_effusion": ("pleural effusion", "pleural effusion ", "loculated pleural effusion"),
    "pleural_other": ("pleural thickening", "apical pleural thickening"),
    "pneumonia": ("pneumonia", "atypical pneumonia"),
    "pneumothorax": ("pneumothorax",),
    "support_devices": ("pacemaker", "NSG tube", "endotracheal tube", "central venous catheter"),
}
DIRT = ("['exclude']", "['suboptimal study', 'normal']", "['unchanged']", "")  # in place of labels
POSITIONS = {
    "PA": "POSTEROANTERIOR",
    "AP": "ANTEROPOSTERIOR",
    "AP_horizontal": "ANTEROPOSTERIOR",
    "L": "LATERAL",
}


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    written = 0
    with output.Tables(root) as tables:
        for scenes in scene.blocks(config, PROFILE):
            images = _identified(config, scenes)
            said = reporting.report(config, images, PROFILE.dataset)
            images = _images.save(config, images, root, LAYOUT)
            rows = _rows(config, images, said)
            rows.insert(0, "", np.arange(written, written + len(rows)))  # a column without a name
            tables.append(TABLE, rows)
            written += len(rows)
            yield images


def _identified(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Add identifiers and path."""
    names = [_digits(config.seed, f"image {key}", 39) for key in images["image_key"]]
    ends = [_digits(config.seed, f"end {key}", 12) for key in images["image_key"]]
    named = images.assign(
        patient_id=[_digits(config.seed, f"patient {key}", 39) for key in images["patient"]],
        study_id=[_digits(config.seed, f"study {key}", 39) for key in images["key"]],
        image_id=[
            f"{name}_{end[:2]}-{end[2:5]}-{end[5:8]}.png"
            for name, end in zip(names, ends, strict=True)
        ],
    )
    named["folder"] = named["patient"] % FOLDERS
    named["path"] = named["folder"].astype(str) + "/" + named["image_id"]
    return named


def _digits(seed: int, key: str, count: int) -> str:
    """Return so many decimal digits, the first not zero."""
    number = int(blake2b(f"{seed}/{key}".encode(), digest_size=20).hexdigest(), 16)
    return str(10 ** (count - 1) + number % (9 * 10 ** (count - 1)))


def _encode(path: Path, grey: Bytes, how: str) -> None:
    """Write a picture as a 16-bit file, spoilt in the way that is told."""
    deep: Any = grey.astype(np.uint16) * FULL
    output.save_image(path, deep, how)


LAYOUT = _images.Layout(PROFILE, _images.alike(_encode))


def _rows(config: PhantomConfig, images: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table, but for those columns that say nothing of the picture."""
    u = noise.uniform(config.seed, "padchest row", images["key"].to_numpy(), 4).T
    start = noise.uniform(config.seed, "padchest start", images["patient"].to_numpy(), 1)[:, 0]
    first = pd.Timestamp("2009-01-01") + pd.to_timedelta(np.floor(start * 1500), unit="D")
    date = pd.Series(first + pd.to_timedelta(np.floor(images["day"]), unit="D"), images.index)
    silent = u[0] < config.missing_share
    bed = np.where(u[1] < 0.7, "AP_horizontal", "AP")
    view = np.select([images["lateral"], images["portable"]], ["L", bed], "PA")
    return pd.DataFrame(
        {
            "ImageID": images["image_id"],
            "ImageDir": images["folder"],
            "StudyDate_DICOM": date.dt.year * 10_000 + date.dt.month * 100 + date.dt.day,
            "StudyID": images["study_id"],
            "PatientID": images["patient_id"],
            "PatientBirth": (date.dt.year - np.floor(images["age_years"])).mask(silent),
            "PatientSex_DICOM": images["sex"]
            .map({"female": "F", "male": "M"})
            .mask(silent, "None"),
            "ViewPosition_DICOM": pd.Series(view, images.index).map(POSITIONS),
            "Projection": view,
            "MethodProjection": "Manual review of DICOM fields",
            "Pediatric": "No",
            "Modality_DICOM": np.where(images["portable"], "DX", "CR"),
            "PhotometricInterpretation_DICOM": "MONOCHROME2",
            "BitsStored_DICOM": 16,
            "Rows_DICOM": config.image_size,
            "Columns_DICOM": config.image_size,
            "ReportID": 4_000_000 + images["key"],
            "MethodLabel": np.where(u[2] < 0.27, "Physician", "RNN_model"),
            "Labels": _labels(config, images, said),
            "Localizations": "[]",
        }
    )


def _labels(config: PhantomConfig, images: pd.DataFrame, said: pd.DataFrame) -> list[str]:
    """Return what was seen as a list of words; some rows say that they are of no use."""
    keys = images["key"].to_numpy()
    u = noise.uniform(config.seed, "padchest words", keys, 2 + len(FINDINGS))
    seen = said[list(FINDINGS)].isin(reporting.NOTICED).to_numpy()
    labels = []
    for row, chosen in zip(seen, u, strict=True):
        words = [
            WORDS[finding][int(v * len(WORDS[finding]))]
            for finding, there, v in zip(FINDINGS, row, chosen[2:], strict=True)
            if there
        ]
        useless = DIRT[int(chosen[1] * len(DIRT))]
        labels.append(useless if chosen[0] < config.dirt_share else str(words or ["normal"]))
    return labels
