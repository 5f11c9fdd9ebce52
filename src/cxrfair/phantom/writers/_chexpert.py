"""What CheXpert and CheXlocalize share: X-rays, their names and folds, and CheXpert's labels."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Keys
from cxrfair.phantom.population import PATHOLOGIES

PROFILE = Profile(
    dataset="chexpert",
    portable_share=0.80,
    log_gamma=-0.04,
    brightness=0.03,
    contrast=-0.02,
    border=0.015,
    grain=-0.1,
    laterals=True,
)
FOLDS = {"train": 0.70, "valid": 0.10, "test": 0.20}  # of patients; the real shares are too small
OPACITIES = ("lung_opacity", "atelectasis", "consolidation", "edema", "pneumonia")
PARTS: Mapping[str, tuple[str, ...]] = {  # a label, and the findings of which it is any
    "Enlarged Cardiomediastinum": ("enlarged_cardiomediastinum",),
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Opacity": OPACITIES,
    "Lung Lesion": ("nodule", "mass"),
    "Edema": ("edema",),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia",),
    "Atelectasis": ("atelectasis",),
    "Pneumothorax": ("pneumothorax",),
    "Pleural Effusion": ("pleural_effusion",),
    "Pleural Other": ("pleural_other",),
    "Fracture": ("fracture",),
    "Support Devices": ("support_devices",),
}


def patient_ids(patients: Keys) -> list[str]:
    """Return the source's names of patients."""
    return [f"patient{number + 1:05d}" for number in patients]


def folds(config: PhantomConfig, patients: Keys) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Return the official fold of each patient."""
    u = noise.uniform(config.seed, "chexpert official split", patients, 1)[:, 0]
    return np.asarray(list(FOLDS))[noise.choose(u, list(FOLDS.values()))]


def images(config: PhantomConfig) -> Iterator[pd.DataFrame]:
    """Yield the scene of all X-rays, some patients at a time, under the source's identifiers."""
    for rows in scene.blocks(config, PROFILE):
        numbers = rows["patient"].to_numpy()
        side = rows["lateral"].map({True: "lateral", False: "frontal"})
        named = rows.assign(patient_id=patient_ids(numbers), fold=folds(config, numbers))
        study = "study" + (named["study"] + 1).astype(str)
        view: pd.Series = "view" + (named["image"] + 1).astype(str) + "_" + side
        named["image_id"] = named["patient_id"] + "_" + study + "_" + view
        named["path"] = (
            named["fold"] + "/" + named["patient_id"] + "/" + study + "/" + view + ".jpg"
        )
        yield named


def read_by_radiologists(rows: pd.DataFrame) -> pd.DataFrame:
    """Return 1 or 0 of each image and label: the truth, as in the validation and test folds."""
    states = {label: rows[list(parts)].any(axis=1) for label, parts in PARTS.items()}
    clear = ~rows[list(PATHOLOGIES)].any(axis=1)
    return pd.DataFrame({"No Finding": clear, **states}).astype(float)


def labelled_from_reports(said: pd.DataFrame) -> pd.DataFrame:
    """Return 1, 0, -1 or blank of each image and label, as in the training fold.

    A label of several findings is the surest of what was said of them; negative only if all are.
    """
    values = {"No Finding": np.where(said["no_finding"], 1.0, np.nan)}
    for label, parts in PARTS.items():
        words = said[list(parts)]
        choices = [(words == word).any(axis=1) for word in ("positive", "uncertain", "unmentioned")]
        values[label] = np.select(choices, [1.0, -1.0, np.nan], 0.0)
    return pd.DataFrame(values, index=said.index)
