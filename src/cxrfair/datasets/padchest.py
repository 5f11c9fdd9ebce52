"""PadChest: 160,868 images of 67,625 patients, labelled in Spain from reports, partly by a network.

The labels are the leaves of a tree of findings; `WORDS` says which of them (by the tree that its
authors give) make each of our labels. PadChest says what was seen, never what was not: a label that
it does not list is unmentioned. Of race, insurance and an official split it says nothing.
"""

import ast
from collections import Counter
from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import OLDEST_YEARS, Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Bustos et al. 2020, PadChest, Med Image Anal 66:101797; BIMCV"
TABLE = "PADCHEST_chest_x_ray_images_labels_160K*.csv"
TABLES = (TABLE, f"{TABLE}.gz")
IMAGES = ("[0-9]*/*.png", "images*/*.png", "*.png")  # as handed out; or all in one folder
LAYOUT = Layout(
    title="PadChest (160K)",
    url="https://bimcv.cipf.es/bimcv-projects/padchest/",
    access="Accept the PadChest Dataset Research Use Agreement on the page of BIMCV; free for "
    "research, not to be passed on.",
    files={
        TABLE: "one row an image: ids, date, projection, labels",
        "[0-9]*/*.png": "the images, 16 bit, in folders 0 to 54",
    },
    counts={"images": 160_868, "patients": 67_625, "studies": 109_931},
)
WORDS = {
    "atelectasis": (
        *("atelectasis", "laminar atelectasis", "lobar atelectasis", "segmental atelectasis"),
        *("total atelectasis", "round atelectasis", "atelectasis basal"),
    ),
    "cardiomegaly": ("cardiomegaly",),
    "consolidation": ("consolidation", "air bronchogram"),
    "edema": ("pulmonary edema",),
    "emphysema": ("emphysema",),
    "enlarged_cardiomediastinum": ("mediastinal enlargement", "superior mediastinal enlargement"),
    "fibrosis": ("pulmonary fibrosis", "post radiotherapy changes", "asbestosis signs"),
    "fracture": (
        *("fracture", "rib fracture", "callus rib fracture", "clavicle fracture"),
        *("humeral fracture", "vertebral fracture"),
    ),
    "hernia": ("hiatal hernia",),
    "infiltration": (
        *("infiltrates", "interstitial pattern", "ground glass pattern", "alveolar pattern"),
        *("reticular interstitial pattern", "reticulonodular interstitial pattern"),
        *("miliary opacities", "consolidation", "air bronchogram"),
    ),
    "mass": ("mass", "pulmonary mass"),
    "no_finding": ("normal",),
    "nodule": ("nodule", "multiple nodules"),
    "pleural_effusion": (
        *("pleural effusion", "loculated pleural effusion", "loculated fissural effusion"),
        *("hydropneumothorax", "empyema", "hemothorax"),
    ),
    "pleural_other": (  # what CheXpert means by it
        *("pleural thickening", "apical pleural thickening", "calcified pleural thickening"),
        *("pleural plaques", "calcified pleural plaques"),
    ),
    "pleural_thickening": (
        *("pleural thickening", "apical pleural thickening", "calcified pleural thickening"),
    ),
    "pneumonia": ("pneumonia", "atypical pneumonia"),
    "pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "support_devices": (
        *("pacemaker", "dai", "electrical device", "dual chamber device", "single chamber device"),
        *("endotracheal tube", "tracheostomy tube", "nsg tube", "chest drain tube"),
        *("central venous catheter", "reservoir central venous catheter"),
        "central venous catheter via jugular vein",
        "central venous catheter via subclavian vein",
        "central venous catheter via umbilical vein",
        *("ventriculoperitoneal drain tube", "gastrostomy tube", "catheter"),
        *("artificial heart valve", "artificial aortic heart valve"),
        "artificial mitral heart valve",
    ),
}
LABELS = {label: label for label in WORDS}  # the words of each are the source's
SEXES = {"F": "female", "M": "male"}
OTHER_SEXES = ("O", "None", "nan")
UNUSABLE = {  # words of the labels that make an image unusable, and why
    "exclude": "the source excludes it",
    "suboptimal study": "the source calls it suboptimal",
}
EXCLUDED_VIEW = "EXCLUDE"
UNCHANGED = "unchanged"  # the label then is another report's, which the source does not name


def read(root: Path) -> Images:
    """Read the table and find the images.

    Without a file, without labels, excluded by the source, or `unchanged` and nothing more: absent.

    Raises
    ------
    SourceError
        If the table breaks its promise or no image file exists.
    """
    notes: Counter[str] = Counter()
    rows = _table(root)
    entries = _entries(rows, notes)
    found = _source.files(root, IMAGES)
    entries["path"] = entries["image_id"].map(found)
    why = _reasons(entries)
    absent = entries.loc[why.notna(), ["image_id", "patient_id"]].assign(why=why.dropna())
    kept = entries[why.isna()].reset_index(drop=True)
    if kept.empty:
        raise SourceError(f"{root}: no image has a file, a row and labels; {len(entries)} rows")
    words = kept.pop("words")
    return Images(
        records=_source.fill(tables.RECORDS, kept.assign(dataset="padchest")),
        labels=_source.long(_states(words.set_axis(kept["image_id"]))),
        annotations=tables.ANNOTATIONS.empty(),
        absent=absent.reset_index(drop=True),
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def _table(root: Path) -> pd.DataFrame:
    """Read the one table; its first column, numbers without a name, is left out."""
    paths = sorted(path for pattern in TABLES for path in root.glob(pattern))
    if len(paths) != 1:
        raise SourceError(
            f"{root}: {len(paths)} tables match {TABLE} (plain or .gz); one is needed"
        )
    ident = _csv.pattern(r"[\w.-]+", "letters, digits, _ . or -", blank=True)
    columns = {
        "ImageID": _csv.pattern(r"\w[\w.-]*\.png", "a .png file name", blank=True),
        "ImageDir": _csv.pattern(r"\d{1,3}(\.0)?", "digits", blank=True),
        "StudyDate_DICOM": _csv.cells(_is_date, "a date YYYYMMDD", blank=True),
        "StudyID": ident,
        "PatientID": ident,
        "PatientBirth": _csv.pattern(r"(1[89]|20)\d\d(\.0)?", "a year", blank=True),
        "PatientSex_DICOM": _csv.words((*SEXES, *OTHER_SEXES), blank=True),
        "Projection": _csv.pattern(r"[\w .-]+", "a word", blank=True),
        "Labels": _csv.cells(_is_list, "a list of words, ['normal', ...]", blank=True),
    }
    rows = _csv.read(paths[0], columns)
    again = rows["ImageID"].dropna()
    again = again[again.duplicated()]
    if len(again):
        raise SourceError(
            f"{paths[0]} row {again.index[0]}, column 'ImageID': {again.iloc[0]!r}; "
            f"allowed: each value once ({len(again)} rows)"
        )
    return rows


def _is_date(text: pd.Series) -> pd.Series:
    """Tell which cells hold a date, also one that was made a float."""
    shaped = text.str.fullmatch(r"\d{8}(\.0)?")
    return shaped & pd.to_datetime(text.str[:8], format="%Y%m%d", errors="coerce").notna()


def _is_list(text: pd.Series) -> pd.Series:
    """Tell which cells hold a list of words."""
    return text.map(_words).notna()


def _words(text: str) -> frozenset[str] | None:
    """Parse `['pleural effusion', ' nodule']`; None for what is no list of words."""
    try:
        words = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return frozenset(word.strip().lower() for word in words) - {""}


def _entries(rows: pd.DataFrame, notes: Counter[str]) -> pd.DataFrame:
    """Return one row an image, in our words, with the source's label words."""
    named = rows["ImageID"].notna() & rows["PatientID"].notna()
    rows = rows[named]
    sex = rows["PatientSex_DICOM"]
    date = pd.to_datetime(rows["StudyDate_DICOM"].str[:8], format="%Y%m%d").dt.as_unit("s")
    age = date.dt.year - rows["PatientBirth"].astype("float64")
    possible = age.between(0, OLDEST_YEARS)
    notes["rows without an image or a patient: left out"] += int((~named).sum())
    notes["sex neither F nor M: unknown"] += int(sex.isin(OTHER_SEXES).sum())
    notes[f"age below 0 or above {OLDEST_YEARS}: unknown"] += int((age.notna() & ~possible).sum())
    return pd.DataFrame(
        {
            "image_id": rows["ImageID"],
            "patient_id": rows["PatientID"],
            "study_id": rows["StudyID"].fillna(rows["ImageID"].str.removesuffix(".png")),
            "view": rows["Projection"],
            "acquired_at": date,
            "sex": sex.map(SEXES).fillna(tables.UNKNOWN),
            "age_years": age.where(possible),
            "words": rows["Labels"].map(_words, na_action="ignore"),
        }
    ).reset_index(drop=True)


def _reasons(entries: pd.DataFrame) -> pd.Series:
    """Say of each image why it cannot be used; empty where it can."""
    words = entries["words"].map(lambda said: said if isinstance(said, frozenset) else frozenset())
    why = pd.Series(None, entries.index, dtype="str")
    why = why.mask(words.map(lambda said: said == {UNCHANGED}), "labels only say unchanged")
    why = why.mask(entries["view"] == EXCLUDED_VIEW, UNUSABLE["exclude"])
    for word, reason in UNUSABLE.items():
        why = why.mask(words.map(lambda said, word=word: word in said), reason)
    why = why.mask(~words.map(bool), "no labels")
    return why.mask(entries["path"].isna(), "no image file")


def _states(words: pd.Series) -> pd.DataFrame:
    """Say of each image and label whether the source lists a word for it."""
    states = {
        label: words.map(lambda said, ours=frozenset(ours): bool(said & ours))
        for label, ours in WORDS.items()
    }
    listed = pd.DataFrame(states).astype(bool)
    return listed.replace({True: "positive", False: "unmentioned"}).astype("str")
