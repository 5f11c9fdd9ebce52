"""MIMIC-CXR-JPG 2.0.0 and 2.1.0: 377,110 images of 65,379 patients, labelled from reports."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd
import pandera.pandas as pandera

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Johnson et al. 2019, MIMIC-CXR-JPG, arXiv:1901.07042; PhysioNet"
TABLES = tuple(
    f"mimic-cxr-*-{name}.csv{suffix}"
    for name in ("metadata", "chexpert", "negbio", "split", "test-set-labeled")
    for suffix in ("", ".gz")
)
IMAGES = ("files/p*/p*/s*/*.jpg",)
LAYOUT = Layout(
    title="MIMIC-CXR-JPG 2.1.0",
    url="https://physionet.org/content/mimic-cxr-jpg/2.1.0/",
    access="PhysioNet credentialed access: CITI training and a signed data use agreement.",
    files={
        "mimic-cxr-*-metadata.csv": "view, date and time of each image",
        "mimic-cxr-*-chexpert.csv": "what the CheXpert labeller found in each report",
        "mimic-cxr-*-negbio.csv": "what the NegBio labeller found",
        "mimic-cxr-*-split.csv": "the official folds",
        "mimic-cxr-*-test-set-labeled.csv": "an expert's labels of 687 test studies (2.1.0 only)",
        IMAGES[0]: "the images, full size",
    },
    counts={"images": 377_110, "studies": 227_835, "patients": 65_379},
    optional=(
        "mimic-cxr-*-negbio.csv",
        "mimic-cxr-*-split.csv",
        "mimic-cxr-*-test-set-labeled.csv",
    ),
)

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
DATE = r"\d{8}(\.0*)?"
FLOATS = "study dates written as floats"
EXPERT = "studies whose labels are an expert's, not CheXpert's"


class Options(Section):
    """Settings `data.mimic_cxr.options`.

    `labels` says whose labels count; with `expert_on_test`, an expert's for the studies of
    `test-set-labeled` (2.1.0), which are all in the official test set, and CheXpert's for the rest.
    """

    labels: Literal["chexpert", "negbio", "expert_on_test"] = "chexpert"


def read(root: Path, options: Options) -> Images:
    """Read the metadata, the chosen labels and, where there is one, the official split.

    Images without a file, and those whose study has no labels, are listed as absent. Sex, age, race
    and insurance stay unknown until `cohort.link`.

    Raises
    ------
    SourceError
        If a table breaks its promise or no image file exists.
    """
    images, n_floats = _metadata(_table(root, "metadata"))
    found = pd.Index(_source.files(root, IMAGES).values())
    kept, no_file = _source.part(images, _source.among(images["path"], found), "no image file")
    states, n_expert = _chosen(root, images, options)
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
        notes={rule: n for rule, n in ((FLOATS, n_floats), (EXPERT, n_expert)) if n},
    )


def _table(root: Path, name: str) -> Path:
    """Find a table of any version; two versions side by side are ambiguous."""
    found = {path.name.removesuffix(".gz") for path in root.glob(f"mimic-cxr-*-{name}.csv*")}
    if len(found) > 1:
        raise SourceError(f"{root}: {sorted(found)}; keep one version of the {name} table")
    return _csv.locate(root, *(found or (f"mimic-cxr-2.0.0-{name}.csv",)))


def _metadata(path: Path) -> tuple[pd.DataFrame, int]:
    """Read one row an image: ids, path, view and time; and count the dates that are floats."""
    columns = {
        "dicom_id": _csv.pattern(DICOM, "five blocks of 8 hex digits", unique=True),
        "subject_id": _csv.pattern(r"\d{8}", "8 digits"),
        "study_id": _csv.pattern(r"\d{8}", "8 digits"),
        "ViewPosition": _csv.words(VIEWS, blank=True),
        "StudyDate": _csv.cells(_is_date, "a date YYYYMMDD"),
        "StudyTime": _csv.cells(_is_clock, "a time HHMMSS"),
    }
    rows = _csv.read(path, columns)
    patient, study, image = rows["subject_id"], rows["study_id"], rows["dicom_id"]
    folder = "files/p" + patient.str[:2] + "/p" + patient + "/s" + study
    images = pd.DataFrame(
        {
            "image_id": image,
            "patient_id": patient,
            "study_id": study,
            "path": folder + "/" + image + ".jpg",
            "view": rows["ViewPosition"],
            "acquired_at": _time(rows["StudyDate"].str[:8], rows["StudyTime"]),
        }
    )
    return images, int((rows["StudyDate"].str.len() > 8).sum())


def _time(date: pd.Series, clock: pd.Series) -> pd.Series:
    """Join YYYYMMDD and HHMMSS.fff, whose leading zeros a float has lost; whole seconds."""
    return pd.to_datetime(date + _six_digits(clock), format="%Y%m%d%H%M%S").dt.as_unit("s")


def _is_date(text: pd.Series) -> pd.Series:
    """Tell which cells hold YYYYMMDD, also as a float writes it."""
    shaped = text.str.fullmatch(DATE)
    return shaped & pd.to_datetime(text.str[:8], format="%Y%m%d", errors="coerce").notna()


def _is_clock(text: pd.Series) -> pd.Series:
    """Tell which cells hold HHMMSS, as a float may have left it."""
    shaped = text.str.fullmatch(r"\d{1,6}(\.\d*)?")
    return shaped & pd.to_datetime(_six_digits(text), format="%H%M%S", errors="coerce").notna()


def _six_digits(clock: pd.Series) -> pd.Series:
    """Drop the fraction and restore the zeros in front: 93000.5 is 093000."""
    return clock.str.extract(r"^(\d*)", expand=False).str.zfill(6)


def _chosen(root: Path, images: pd.DataFrame, options: Options) -> tuple[pd.DataFrame, int]:
    """Read the state of each study and label, and count the studies that an expert labelled."""
    if options.labels != "expert_on_test":
        return _automatic(_table(root, options.labels), images), 0
    states = _automatic(_table(root, "chexpert"), images)
    path = _table(root, "test-set-labeled")
    spelt = {"Lung Opacity": "Airspace Opacity"} if "Airspace Opacity" in _csv.header(path) else {}
    names = {spelt.get(name, name): ours for name, ours in LABELS.items()}
    expert = _states(_csv.read(path, {"study_id": _study_id(), **_label_columns(names)}), names)
    of_expert = _source.among(pd.Series(states.index), expert.index).to_numpy()
    known = _source.among(pd.Series(expert.index), pd.Index(images["study_id"].unique()))
    return pd.concat([states[~of_expert], expert]), int(known.sum())


def _automatic(path: Path, images: pd.DataFrame) -> pd.DataFrame:
    """Read what a labeller found in the report of each study."""
    columns = {"subject_id": _csv.pattern(r"\d{8}", "8 digits"), "study_id": _study_id()}
    rows = _csv.read(path, {**columns, **_label_columns(LABELS)})
    _same_patients(rows, images, path)
    return _states(rows, LABELS)


def _study_id() -> pandera.Column:
    """Describe the column of studies, each there once."""
    return _csv.pattern(r"\d{8}", "8 digits", unique=True)


def _label_columns(names: Iterable[str]) -> dict[str, pandera.Column]:
    """Describe the columns of labels."""
    return dict.fromkeys(names, _csv.pattern(r"(-?1|0)(\.0*)?", "1, 0, -1", blank=True))


def _states(rows: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Turn labels into states (rows: study_id as index; columns: ours); blank is unmentioned."""
    of_study = rows.set_index("study_id")
    states = {
        ours: of_study[name].str.extract(r"^(-?\d)", expand=False).map(STATES).fillna("unmentioned")
        for name, ours in names.items()
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
