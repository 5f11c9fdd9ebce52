"""MIMIC-CXR-JPG 2.0.0 and 2.1.0: 377,110 images of 65,379 patients, labelled from reports."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Images

KIND: _source.Kind = "images"
SOURCE = "Johnson et al. 2019, MIMIC-CXR-JPG, arXiv:1901.07042; PhysioNet"
TABLES = tuple(
    f"mimic-cxr-*-{name}.csv{suffix}"
    for name in ("metadata", "chexpert", "split")
    for suffix in ("", ".gz")
)
IMAGES = ("files/p*/p*/s*/*.jpg",)

LABELS = {
    name: name.lower().replace(" ", "_")
    for name in (
        "Atelectasis",
        "Cardiomegaly",
        "Consolidation",
        "Edema",
        "Enlarged Cardiomediastinum",
        "Fracture",
        "Lung Lesion",
        "Lung Opacity",
        "No Finding",
        "Pleural Effusion",
        "Pleural Other",
        "Pneumonia",
        "Pneumothorax",
        "Support Devices",
    )
}
STATES = {"1": "positive", "0": "negative", "-1": "uncertain"}
VIEWS = (
    *("AP", "PA", "LATERAL", "LL", "LPO", "RPO", "LAO", "RAO", "AP AXIAL", "XTABLE LATERAL"),
    *("AP LLD", "PA LLD", "AP RLD", "PA RLD", "L5 S1", "SWIMMERS"),
)
FOLDS = {"train": "train", "validate": "validation", "test": "test"}
DICOM = r"[0-9a-f]{8}(-[0-9a-f]{8}){4}"


def read(root: Path) -> Images:
    """Read the metadata, the CheXpert labels and, where there is one, the official split.

    Images without a file, and those whose study has no labels, are listed as absent. Sex, age, race
    and insurance stay unknown until `cohort.link`.

    Raises
    ------
    SourceError
        If a table breaks its promise or no image file exists.
    """
    images = _metadata(_table(root, "metadata"))
    found = pd.Index(_source.files(root, IMAGES).values())
    kept, no_file = _source.part(images, _source.among(images["path"], found), "no image file")
    states = _states(_table(root, "chexpert"), images)
    kept, no_label = _source.part(kept, _source.among(kept["study_id"], states.index), "no labels")
    if kept.empty:
        raise SourceError(f"{root}: no image has a row, a file and labels; {len(images)} rows")
    of_images = states.loc[kept["study_id"]].set_axis(kept["image_id"])
    known = kept.assign(
        dataset="mimic_cxr", sex=tables.UNKNOWN, official_fold=_folds(root, kept["image_id"])
    )
    return Images(
        records=_source.fill(tables.RECORDS, known),
        labels=_source.long(of_images),
        annotations=tables.ANNOTATIONS.empty(),
        absent=pd.concat([no_file, no_label], ignore_index=True),
    )


def _table(root: Path, name: str) -> Path:
    """Find a table of any version; two versions side by side are ambiguous."""
    found = {path.name.removesuffix(".gz") for path in root.glob(f"mimic-cxr-*-{name}.csv*")}
    if len(found) > 1:
        raise SourceError(f"{root}: {sorted(found)}; keep one version of the {name} table")
    return _csv.locate(root, *(found or (f"mimic-cxr-2.0.0-{name}.csv",)))


def _metadata(path: Path) -> pd.DataFrame:
    """Read one row an image: ids, path, view and time."""
    columns = {
        "dicom_id": _csv.pattern(DICOM, "five blocks of 8 hex digits", unique=True),
        "subject_id": _csv.pattern(r"\d{8}", "8 digits"),
        "study_id": _csv.pattern(r"\d{8}", "8 digits"),
        "ViewPosition": _csv.words(VIEWS, blank=True),
        "StudyDate": _csv.time("%Y%m%d", "a date YYYYMMDD"),
        "StudyTime": _csv.cells(_is_clock, "a time HHMMSS"),
    }
    rows = _csv.read(path, columns)
    patient, study, image = rows["subject_id"], rows["study_id"], rows["dicom_id"]
    return pd.DataFrame(
        {
            "image_id": image,
            "patient_id": patient,
            "study_id": study,
            "path": "files/p"
            + patient.str[:2]
            + "/p"
            + patient
            + "/s"
            + study
            + "/"
            + image
            + ".jpg",
            "view": rows["ViewPosition"],
            "acquired_at": _time(rows["StudyDate"], rows["StudyTime"]),
        }
    )


def _time(date: pd.Series, clock: pd.Series) -> pd.Series:
    """Join YYYYMMDD and HHMMSS.fff, whose leading zeros a float has lost; whole seconds."""
    return pd.to_datetime(date + _six_digits(clock), format="%Y%m%d%H%M%S").dt.as_unit("s")


def _is_clock(text: pd.Series) -> pd.Series:
    """Tell which cells hold HHMMSS, as a float may have left it."""
    shaped = text.str.fullmatch(r"\d{1,6}(\.\d*)?")
    return shaped & pd.to_datetime(_six_digits(text), format="%H%M%S", errors="coerce").notna()


def _six_digits(clock: pd.Series) -> pd.Series:
    """Drop the fraction and restore the zeros in front: 93000.5 is 093000."""
    return clock.str.extract(r"^(\d*)", expand=False).str.zfill(6)


def _states(path: Path, images: pd.DataFrame) -> pd.DataFrame:
    """Read what CheXpert said of each study; blank is unmentioned."""
    label = _csv.pattern(r"(-?1|0)(\.0*)?", "1, 0, -1", blank=True)
    columns = {
        "subject_id": _csv.pattern(r"\d{8}", "8 digits"),
        "study_id": _csv.pattern(r"\d{8}", "8 digits", unique=True),
        **dict.fromkeys(LABELS, label),
    }
    rows = _csv.read(path, columns)
    _same_patients(rows, images, path)
    of_study = rows.set_index("study_id")
    states = {
        ours: of_study[name].str.extract(r"^(-?\d)", expand=False).map(STATES).fillna("unmentioned")
        for name, ours in LABELS.items()
    }
    return pd.DataFrame(states)


def _same_patients(rows: pd.DataFrame, images: pd.DataFrame, path: Path) -> None:
    """Raise if a study belongs to another patient here than in the metadata."""
    owner = images.drop_duplicates("study_id").set_index("study_id")["patient_id"]
    expected = rows["study_id"].map(owner)
    odd = rows[expected.notna() & (expected != rows["subject_id"])]
    if len(odd):
        first = odd.iloc[0]
        raise SourceError(
            f"{path} row {odd.index[0]}, column 'subject_id': {first['subject_id']!r}; "
            f"allowed: {expected[odd.index[0]]!r}, as in the metadata ({len(odd)} rows)"
        )


def _folds(root: Path, images: pd.Series) -> pd.Series:
    """Look up the official folds; empty where the data set comes without them."""
    if not any(root.glob("mimic-cxr-*-split.csv*")):
        return pd.Series(None, index=images.index, dtype="str")
    columns = {
        "dicom_id": _csv.pattern(DICOM, "five blocks of 8 hex digits", unique=True),
        "split": _csv.words(FOLDS),
    }
    rows = _csv.read(_table(root, "split"), columns).set_index("dicom_id")["split"]
    return images.map(rows.map(FOLDS))
