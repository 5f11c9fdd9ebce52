"""NIH ChestX-ray14: 112,120 frontal images of 30,805 patients, table forms of 2017 and 2020."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pandera.pandas as pandera

from cxrfair import tables
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import OLDEST_YEARS, Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Wang et al. 2017, ChestX-ray8, CVPR, pp. 3462-3471; NIH Clinical Center"
TABLES = tuple(
    f"{name}{suffix}"
    for name in (
        "Data_Entry_2017_v2020.csv",
        "Data_Entry_2017.csv",
        "BBox_List_2017.csv",
        "train_val_list.txt",
        "test_list.txt",
    )
    for suffix in ("", ".gz")
)
IMAGES = ("images/*.png", "images_*/images/*.png")
LAYOUT = Layout(
    title="NIH ChestX-ray14",
    url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    access="Open: nothing to sign; the NIH Clinical Center asks to be named as the source and for "
    "the paper to be cited.",
    files={
        "Data_Entry_2017*.csv": "one row an image: findings, patient, age, sex, view",
        "BBox_List_2017.csv": "boxes around some findings",
        "train_val_list.txt": "images of the official training and validation fold",
        "test_list.txt": "images of the official test fold",
        "images*/**/*.png": "the images: images/ or images_001/images/ to images_012/images/",
    },
    counts={"images": 112_120, "patients": 30_805, "boxes": 984},
    optional=("BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"),
)

LABELS = {
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Edema": "edema",
    "Effusion": "pleural_effusion",
    "Emphysema": "emphysema",
    "Fibrosis": "fibrosis",
    "Hernia": "hernia",
    "Infiltration": "infiltration",
    "Mass": "mass",
    "No Finding": "no_finding",
    "Nodule": "nodule",
    "Pleural_Thickening": "pleural_thickening",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
OTHER = "Infiltrate"  # the box list's own spelling
BOXED = {**LABELS, OTHER: "infiltration"}
SEXES = {"F": "female", "M": "male"}
CORNERS = ("Bbox [x", "y", "w", "h]")  # the header's brackets hold commas
PUBLISHED_SIZE = 1024  # pixels a side of the pictures that boxes were drawn in


def read(root: Path) -> Images:
    """Read the tables and find the images; those without a file are listed as absent.

    Raises
    ------
    SourceError
        If a table breaks its promise or no image file exists.
    """
    notes: Counter[str] = Counter()
    table = _csv.locate(root, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
    entries = _entries(table, notes)
    found = _source.files(root, IMAGES)
    entries["path"] = entries["image_id"].map(found)
    kept, absent = _source.part(entries, entries["path"].notna(), "no image file")
    if kept.empty:
        raise SourceError(f"{root}: none of {len(found)} image files is in the table; check both")
    folds = official_split(root).set_index("image_id")["fold"]
    known = kept.drop(columns="findings").assign(
        dataset="nih_chestxray14", official_fold=kept["image_id"].map(folds)
    )
    return Images(
        records=_source.fill(tables.RECORDS, known),
        labels=_source.long(_states(kept)),
        annotations=_boxes(root, kept["image_id"], notes),
        absent=absent,
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def official_split(root: Path) -> pd.DataFrame:
    """Read the official lists (patient-disjoint); without rows where there are none.

    Returns
    -------
    DataFrame
        image_id, fold (`train_validation` or `test`).
    """
    lists = {"train_validation": "train_val_list.txt", "test": "test_list.txt"}
    places = {fold: _csv.locate_optional(root, name) for fold, name in lists.items()}
    if not any(places.values()):
        return pd.DataFrame({"image_id": [], "fold": []}, dtype="str")
    parts = []
    for fold, name in lists.items():
        images = _csv.read_lines(places[fold] or _csv.locate(root, name))
        parts.append(pd.DataFrame({"image_id": images, "fold": fold}))
    both = parts[0].merge(parts[1], on="image_id")["image_id"]
    if len(both):
        raise SourceError(
            f"{root}: {both.iloc[0]!r} is in both official lists; allowed: one ({len(both)} images)"
        )
    return pd.concat(parts, ignore_index=True)


def _entries(path: Path, notes: Counter[str]) -> pd.DataFrame:
    """Read one row an image, in our words, with its findings still as the source joins them."""
    sex = "Patient Sex" if "Patient Sex" in _csv.header(path) else "Patient Gender"
    columns = {
        "Image Index": _csv.pattern(r"[\w.-]+\.png", "a .png file name", unique=True),
        "Finding Labels": _findings(),
        "Patient ID": _csv.pattern(r"\d+", "digits"),
        "Patient Age": _csv.pattern(r"\d{1,3}[YMD]?", "058Y, 011M, 003D or 58", blank=True),
        sex: _csv.words(SEXES, blank=True),
        "View Position": _csv.words(("AP", "PA"), blank=True),
    }
    rows = _csv.read(path, columns)
    image = rows["Image Index"]
    years = _source.age_years(rows["Patient Age"])
    notes[f"age above {OLDEST_YEARS} years: unknown"] += int((years > OLDEST_YEARS).sum())
    notes["age in months or days: made years"] += int(
        rows["Patient Age"].str.fullmatch(r"\d+[MD]").eq(True).sum()
    )
    return pd.DataFrame(
        {
            "image_id": image,
            "patient_id": rows["Patient ID"].astype("int64").astype("str"),
            "study_id": image.str.removesuffix(".png"),  # a follow-up is one image
            "view": rows["View Position"],
            "sex": rows[sex].map(SEXES).fillna(tables.UNKNOWN),
            "age_years": years.where(years <= OLDEST_YEARS),
            "findings": rows["Finding Labels"],
        }
    )


def _findings() -> pandera.Column:
    """Describe the column of findings joined by `|`."""
    one = "|".join(name for name in LABELS if name != "No Finding")
    says = f"No Finding, or some of these joined by |: {one.replace('|', ', ')}"
    return _csv.pattern(rf"No Finding|({one})(\|({one}))*", says)


def _states(entries: pd.DataFrame) -> pd.DataFrame:
    """Say of every image and label whether the source lists it."""
    listed = entries.set_index("image_id")["findings"].str.get_dummies("|").astype(bool)
    listed = listed.reindex(columns=list(LABELS), fill_value=False).rename(columns=LABELS)
    return listed.replace({True: "positive", False: "unmentioned"}).astype("str")


def _boxes(root: Path, images: pd.Series, notes: Counter[str]) -> pd.DataFrame:
    """Read the boxes of `images`, in the pixels of the picture as it was published."""
    path = _csv.locate_optional(root, "BBox_List_2017.csv")
    if path is None:
        return tables.ANNOTATIONS.empty()
    columns = {
        "Image Index": _csv.pattern(r"[\w.-]+\.png", "a .png file name"),
        "Finding Label": _csv.words(BOXED),
        **{corner: _csv.number("pixels") for corner in CORNERS},
    }
    rows = _csv.read(path, columns)
    there = _source.among(rows["Image Index"], pd.Index(images))
    notes["boxes in images that are not there: left out"] += int((~there).sum())
    rows = rows[there]
    notes["boxes called Infiltrate: infiltration"] += int((rows["Finding Label"] == OTHER).sum())
    corners = rows[list(CORNERS)].astype("float64").to_numpy().tolist()
    known = pd.DataFrame(
        {
            "image_id": rows["Image Index"],
            "label": rows["Finding Label"].map(BOXED),
            "geometry": [json.dumps([*box, PUBLISHED_SIZE, PUBLISHED_SIZE]) for box in corners],
        }
    ).assign(kind="box", source=path.name)
    known["i"] = known.groupby(["image_id", "label"]).cumcount()
    return _source.fill(tables.ANNOTATIONS, known)
