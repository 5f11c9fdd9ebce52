"""MIMIC-CXR-JPG: a folder for each study, labels by study, and metadata and split by image."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.writers import _images, _mimic

PROFILE = Profile(
    dataset=_mimic.DATASET,
    portable_share=0.55,
    log_gamma=0.12,
    brightness=-0.03,
    contrast=-0.06,
    border=0.03,
    grain=0.2,
    laterals=True,
)
LABELS = {  # the source's column, and the finding it speaks of where the phantom draws one
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Edema": "edema",
    "Enlarged Cardiomediastinum": "",
    "Fracture": "",
    "Lung Lesion": "nodule",
    "Lung Opacity": "opacity",
    "No Finding": "no_finding",
    "Pleural Effusion": "pleural_effusion",
    "Pleural Other": "",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
    "Support Devices": "",
}
OPACITIES = ["atelectasis", "consolidation", "edema", "pneumonia"]
VALUES = {"positive": 1.0, "negative": 0.0, "uncertain": -1.0, "unmentioned": np.nan}
SPLITS = {"train": 0.80, "validate": 0.05, "test": 0.15}  # of patients
CODES = {"AP": "antero-posterior", "PA": "postero-anterior", "LATERAL": "lateral"}


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    with output.Tables(root) as tables:
        for scenes in scene.blocks(config, PROFILE):
            images = _identified(config, scenes)
            studies = images.drop_duplicates("study_id")
            said = reporting.report(config, studies, PROFILE.dataset)
            images = _images.save(config, images, root)
            for name, rows in {
                "chexpert": _labels(studies, said),
                "metadata": _metadata(config, images),
                "split": _split(config, images),
            }.items():
                tables.append(f"mimic-cxr-2.0.0-{name}.csv.gz", rows)
            yield images


def _identified(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Add identifiers, time and path, and sort as the source is sorted."""
    images = images.assign(
        subject_id=_mimic.subject_ids(config, images["patient"].to_numpy()),
        study_id=_mimic.study_ids(config, images["key"].to_numpy()),
        acquired_at=_mimic.study_times(config, images),
        image_id=[_dicom_id(config.seed, key) for key in images["image_key"]],
    )
    subject, study = images["subject_id"].astype(str), images["study_id"].astype(str)
    folder = "files/p" + subject.str[:2] + "/p" + subject + "/s" + study
    images["path"] = folder + "/" + images["image_id"] + ".jpg"
    return images.sort_values(["subject_id", "study_id", "image_id"], ignore_index=True)


def _dicom_id(seed: int, key: int) -> str:
    """Return five blocks of eight hexadecimal digits."""
    digits = blake2b(f"{seed}/{key}".encode(), digest_size=20).hexdigest()
    return "-".join(digits[i : i + 8] for i in range(0, 40, 8))


def _labels(studies: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return 1, 0, -1 or blank for each study and label; No Finding is 1 or blank."""
    opaque = said[OPACITIES]
    choices = [(opaque == "positive").any(axis=1), (opaque == "uncertain").any(axis=1)]
    opacity = np.select(choices, ["positive", "uncertain"], "unmentioned")
    clear = np.where(said["no_finding"], "positive", "unmentioned")
    states = said.assign(opacity=opacity, no_finding=clear)
    values = {
        label: states[finding].map(VALUES) if finding else np.nan
        for label, finding in LABELS.items()
    }
    return pd.DataFrame(
        {"subject_id": studies["subject_id"], "study_id": studies["study_id"], **values}
    )


def _metadata(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Return one row an image; some have no view."""
    u = noise.uniform(config.seed, "view known", images["image_key"].to_numpy(), 2)
    at = images["acquired_at"].dt
    portable = images["portable"].to_numpy(bool)
    step = np.where(portable, "CHEST (PORTABLE AP)", "CHEST (PA AND LAT)")
    known = u[:, 0] >= config.missing_share
    clock = at.hour * 10_000 + at.minute * 100 + at.second
    return pd.DataFrame(
        {
            "dicom_id": images["image_id"],
            "subject_id": images["subject_id"],
            "study_id": images["study_id"],
            "PerformedProcedureStepDescription": step,
            "ViewPosition": images["view"].where(known),
            "Rows": config.image_size,
            "Columns": config.image_size,
            "StudyDate": at.year * 10_000 + at.month * 100 + at.day,
            "StudyTime": clock + np.round(u[:, 1] * 0.999, 3),
            "ProcedureCodeSequence_CodeMeaning": step,
            "ViewCodeSequence_CodeMeaning": images["view"].map(CODES).where(known),
            "PatientOrientationCodeSequence_CodeMeaning": np.where(portable, "Recumbent", "Erect"),
        }
    )


def _split(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Return the official fold of each image, by patient."""
    u = noise.uniform(config.seed, "mimic official split", images["patient"].to_numpy(), 1)[:, 0]
    fold = np.asarray(list(SPLITS))[noise.choose(u, list(SPLITS.values()))]
    columns = images[["image_id", "study_id", "subject_id"]]
    return columns.rename(columns={"image_id": "dicom_id"}).assign(split=fold)
