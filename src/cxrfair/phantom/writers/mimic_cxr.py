"""MIMIC-CXR-JPG 2.1.0: a folder for each study, labels by study, metadata and split by image."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, reporting
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.population import FINDINGS, PATHOLOGIES
from cxrfair.phantom.writers import _images, _mimic

LABELS: Mapping[str, tuple[str, ...]] = {  # the source's columns, and what each may speak of
    "Atelectasis": ("atelectasis",),
    "Cardiomegaly": ("cardiomegaly",),
    "Consolidation": ("consolidation",),
    "Edema": ("edema",),
    "Enlarged Cardiomediastinum": ("enlarged_cardiomediastinum",),
    "Fracture": ("fracture",),
    "Lung Lesion": ("nodule", "mass"),
    "Lung Opacity": ("lung_opacity", "atelectasis", "consolidation", "edema", "pneumonia"),
    "Pleural Effusion": ("pleural_effusion",),
    "Pleural Other": ("pleural_other",),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",),
    "Support Devices": ("support_devices",),
}
COLUMNS = sorted([*LABELS, "No Finding"])
VALUES = {"positive": 1.0, "negative": 0.0, "uncertain": -1.0, "unmentioned": np.nan}
SPLITS = {"train": 0.80, "validate": 0.05, "test": 0.15}  # of patients
EXPERT = 0.5  # share of the test studies that an expert labelled too
DISSENT = 0.04  # share of a labeller's positives in which the other one sees doubt
LEFT = 0.3  # share of side views called LL
ODD = 0.01  # share of pictures with one of the odd views below
ODD_FRONTAL = ("AP AXIAL", "LPO", "RPO", "LAO", "RAO", "AP LLD", "AP RLD", "PA LLD", "PA RLD")
ODD_LATERAL = ("XTABLE LATERAL", "SWIMMERS")
CODES = {
    "AP": "antero-posterior",
    "PA": "postero-anterior",
    "LATERAL": "lateral",
    "LL": "left lateral",
}
LAYOUT = _images.Layout(_mimic.PROFILE)


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    with output.Tables(root) as tables:
        for scenes in _mimic.images(config, ".jpg"):
            studies = scenes[scenes["copy_of"] == ""].drop_duplicates("study_id")
            said = reporting.report(config, studies, _mimic.PROFILE.dataset)
            images = _images.save(config, scenes, root, LAYOUT)
            folds = _folds(config, studies)
            for name, rows in {
                "2.0.0-chexpert.csv.gz": _labels(studies, said),
                "2.0.0-negbio.csv.gz": _labels(studies, _doubted(config, studies, said)),
                "2.0.0-metadata.csv.gz": _metadata(config, images),
                "2.0.0-split.csv.gz": _split(images, folds),
                "2.1.0-test-set-labeled.csv": _expert(config, studies, folds),
            }.items():
                tables.append(f"mimic-cxr-{name}", rows)
            yield images


def _labels(studies: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return 1, 0, -1 or blank for each study and label; No Finding is 1 or blank."""
    clear = pd.Series(np.where(said["no_finding"], 1.0, np.nan), said.index)
    values = {label: _state(said, of).map(VALUES) for label, of in LABELS.items()}
    frame = pd.DataFrame({**values, "No Finding": clear}).astype("float64")[COLUMNS]
    frame.insert(0, "subject_id", studies["subject_id"])
    frame.insert(1, "study_id", studies["study_id"])
    return frame


def _state(said: pd.DataFrame, of: tuple[str, ...]) -> pd.Series:
    """Say of a label the most that was said of its findings; 0 and blank are the first one's."""
    parts = said[list(of)]
    first: pd.Series = said[of[0]]
    sure = (parts == "positive").any(axis=1)
    return first.mask((parts == "uncertain").any(axis=1), "uncertain").mask(sure, "positive")


def _doubted(config: PhantomConfig, studies: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return what a second labeller makes of the same reports: a little more doubt."""
    u = noise.uniform(config.seed, "negbio", studies["key"].to_numpy(), len(FINDINGS))
    other = said.copy()
    for i, finding in enumerate(FINDINGS):
        doubted = (u[:, i] < DISSENT) & (said[finding] == "positive")
        other[finding] = said[finding].mask(doubted, "uncertain")
    return other


def _expert(config: PhantomConfig, studies: pd.DataFrame, folds: pd.Series) -> pd.DataFrame:
    """Return what an expert says of some test studies: what is there, without doubt or silence."""
    u = noise.uniform(config.seed, "expert", studies["key"].to_numpy(), 1)[:, 0]
    chosen = studies[(folds.to_numpy() == "test") & (u < EXPERT)]
    there = chosen[list(FINDINGS)]
    values = {label: there[list(of)].any(axis=1) for label, of in LABELS.items()}
    clear = ~there[list(PATHOLOGIES)].any(axis=1)
    frame = pd.DataFrame({**values, "No Finding": clear})[COLUMNS].astype("int64")
    frame.insert(0, "study_id", chosen["study_id"])
    return frame.rename(columns={"Lung Opacity": "Airspace Opacity"})


def _metadata(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Return one row an image; some have no view, and some dates went through a float."""
    keys = images["image_key"].to_numpy()
    u = noise.uniform(config.seed, "view known", keys, 2)
    view = _views(config, images).where(u[:, 0] >= config.missing_share)
    portable = images["portable"].to_numpy(bool)
    step = np.where(portable, "CHEST (PORTABLE AP)", "CHEST (PA AND LAT)")
    at = images["acquired_at"].dt
    clock = at.hour * 10_000 + at.minute * 100 + at.second
    day = (at.year * 10_000 + at.month * 100 + at.day).astype(str)
    floated = noise.uniform(config.seed, "date dirt", keys, 1)[:, 0] < config.dirt_share
    return pd.DataFrame(
        {
            "dicom_id": images["image_id"],
            "subject_id": images["subject_id"],
            "study_id": images["study_id"],
            "PerformedProcedureStepDescription": step,
            "ViewPosition": view,
            "Rows": config.image_size,
            "Columns": config.image_size,
            "StudyDate": day.mask(floated, day + ".0"),
            "StudyTime": clock + np.round(u[:, 1] * 0.999, 3),
            "ProcedureCodeSequence_CodeMeaning": step,
            "ViewCodeSequence_CodeMeaning": view.map(CODES),
            "PatientOrientationCodeSequence_CodeMeaning": np.where(portable, "Recumbent", "Erect"),
        }
    )


def _views(config: PhantomConfig, images: pd.DataFrame) -> pd.Series:
    """Return the source's word for each picture's view."""
    u = noise.uniform(config.seed, "view word", images["image_key"].to_numpy(), 3).T
    lateral = images["lateral"].to_numpy(bool)
    odd = np.where(
        lateral,
        np.asarray(ODD_LATERAL)[(u[2] * len(ODD_LATERAL)).astype(int)],
        np.asarray(ODD_FRONTAL)[(u[2] * len(ODD_FRONTAL)).astype(int)],
    )
    usual = images["view"].mask(lateral & (u[0] < LEFT), "LL")
    return usual.mask(u[1] < ODD, pd.Series(odd, images.index))


def _folds(config: PhantomConfig, studies: pd.DataFrame) -> pd.Series:
    """Return the official fold of each study, by patient; indexed by study."""
    u = noise.uniform(config.seed, "mimic official split", studies["patient"].to_numpy(), 1)[:, 0]
    fold = np.asarray(list(SPLITS))[noise.choose(u, list(SPLITS.values()))]
    return pd.Series(fold, studies["study_id"])


def _split(images: pd.DataFrame, folds: pd.Series) -> pd.DataFrame:
    """Return the official fold of each image: that of the study it is filed under."""
    columns = images[["image_id", "study_id", "subject_id"]]
    named = columns.rename(columns={"image_id": "dicom_id"})
    return named.assign(split=images["study_id"].map(folds))
