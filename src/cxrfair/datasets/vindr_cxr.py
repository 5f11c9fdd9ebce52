"""VinDr-CXR 1.0.0: 18,000 PA images with findings and boxes by radiologists, in DICOM.

Three radiologists each read the 15,000 training images on their own; a consensus of five read the
3,000 test images. VinDr-CXR names no patients: every image is taken for a patient of its own, so a
patient in both folds, or in two of ours, cannot be seen.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Literal

import pandas as pd

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.datasets import _csv, _dicom, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import OLDEST_YEARS, Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Nguyen et al. 2022, VinDr-CXR, Sci Data 9, 429; PhysioNet, doi:10.13026/3akn-b287"
FOLDS = {"train": "train_validation", "test": "test"}
TABLES = tuple(
    f"annotations/{table}_{fold}.csv{suffix}"
    for table in ("image_labels", "annotations")
    for fold in FOLDS
    for suffix in ("", ".gz")
)
IMAGES = ("train/*.dicom", "test/*.dicom")
LAYOUT = Layout(
    title="VinDr-CXR 1.0.0",
    url="https://physionet.org/content/vindr-cxr/1.0.0/",
    access="Become a credentialed PhysioNet user (with the CITI training named there) and sign the "
    "PhysioNet Credentialed Health Data Use Agreement; not to be passed on.",
    files={
        "annotations/image_labels_train.csv": "findings of the training images, a row a reader",
        "annotations/image_labels_test.csv": "findings of the test images, by consensus",
        "annotations/annotations_train.csv": "boxes of the training images, by reader",
        "annotations/annotations_test.csv": "boxes of the test images",
        "train/*.dicom": "training images",
        "test/*.dicom": "test images",
    },
    counts={"images": 18_000},
    optional=("annotations/annotations_train.csv", "annotations/annotations_test.csv"),
)

LABELS = {
    "Aortic enlargement": "aortic_enlargement",
    "Atelectasis": "atelectasis",
    "Calcification": "calcification",
    "Cardiomegaly": "cardiomegaly",
    "Clavicle fracture": "clavicle_fracture",
    "Consolidation": "consolidation",
    "COPD": "copd",
    "Edema": "edema",
    "Emphysema": "emphysema",
    "Enlarged PA": "enlarged_pulmonary_artery",
    "ILD": "interstitial_lung_disease",
    "Infiltration": "infiltration",
    "Lung cavity": "lung_cavity",
    "Lung cyst": "lung_cyst",
    "Lung Opacity": "lung_opacity",
    "Lung tumor": "lung_tumor",
    "Mediastinal shift": "mediastinal_shift",
    "No finding": "no_finding",
    "Nodule/Mass": "nodule_mass",
    "Other disease": "other_disease",
    "Other lesion": "other_lesion",
    "Pleural effusion": "pleural_effusion",
    "Pleural thickening": "pleural_thickening",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
    "Pulmonary fibrosis": "pulmonary_fibrosis",
    "Rib fracture": "fracture",
    "Tuberculosis": "tuberculosis",
}
SPELT = {"Other diseases": "Other disease", "No Finding": "No finding"}  # also met in its tables
SEXES = {"F": "female", "M": "male"}
CORNERS = ("x_min", "y_min", "x_max", "y_max")
TAGS = ("PatientSex", "PatientAge", "ViewPosition")
VIEW = "PA"  # of an image whose header has none: only PA images were released
IMAGE = r"[0-9A-Za-z_.-]+"


class Options(Section):
    """What becomes of three opinions of a training image (setting `data.vindr_cxr.options`).

    `readers: majority` is positive where more than half of an image's readers saw a finding,
    uncertain where just half did, else negative; `any` and `all` are positive where one, or each,
    did, else negative. Test images have one row, the consensus.
    """

    readers: Literal["majority", "any", "all"] = "majority"


def read(root: Path, options: Options) -> Images:
    """Read findings and boxes, and sex and age from the images' headers.

    An image without a file, or whose header cannot be read, is listed as absent.

    Raises
    ------
    SourceError
        If a table breaks its promise or no image file exists.
    """
    states = _states(root, options)
    found = {Path(path).stem: path for path in _source.files(root, IMAGES).values()}
    listed = states[["fold"]].reset_index().assign(patient_id=states.index)
    listed["path"] = listed["fold"] + "/" + listed["image_id"] + ".dicom"
    here = _source.among(listed["path"], pd.Index(found.values()))
    with_file, no_file = _source.part(listed, here, "no image file")
    if with_file.empty:
        raise SourceError(f"{root}: none of {len(found)} image files is in the tables; check both")
    notes: Counter[str] = Counter()
    notes["image file without a row: left out"] = len(found) - len(with_file)
    kept, damaged = _described(root, with_file, notes)
    labels = states.loc[kept["image_id"]].drop(columns="fold")
    return Images(
        records=_source.fill(tables.RECORDS, kept.drop(columns="fold")),
        labels=_source.long(labels),
        annotations=_boxes(root, kept["image_id"], notes),
        absent=pd.concat([no_file, damaged], ignore_index=True),
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def _states(root: Path, options: Options) -> pd.DataFrame:
    """Read both tables of findings: image_id as index, fold, and the state of every label."""
    parts = []
    for fold in FOLDS:
        path = _csv.locate(root, f"annotations/image_labels_{fold}.csv")
        parts.append(_judged(_votes(path), options).assign(fold=fold))
    states = pd.concat(parts)
    twice = states.index[states.index.duplicated()]
    if len(twice):
        raise SourceError(
            f"{root}: {twice[0]!r} is in both folds; allowed: one ({len(twice)} images)"
        )
    return states.rename_axis(index="image_id")


def _votes(path: Path) -> pd.DataFrame:
    """Read one row an image and reader: 1, 0 or missing for every label."""
    header = _csv.header(path)
    spelt = {SPELT.get(name, name): name for name in header}
    by_reader = "rad_id" in header
    vote = _csv.pattern(r"[01](\.0*)?", "1, 0", blank=True)
    columns = {
        "image_id": _csv.pattern(IMAGE, "a name without a folder", unique=not by_reader),
        **({"rad_id": _csv.pattern(r"\w+", "a reader")} if by_reader else {}),
        **{spelt.get(name, name): vote for name in LABELS},
    }
    rows = _csv.read(path, columns)
    keys = ["image_id", "rad_id"] if by_reader else ["image_id"]
    twice = rows[rows.duplicated(keys)]
    if len(twice):
        raise SourceError(
            f"{path} row {twice.index[0]}, column 'rad_id': a reader's second row of one image; "
            f"allowed: one ({len(twice)} rows)"
        )
    votes = {ours: rows[spelt.get(name, name)].astype("float64") for name, ours in LABELS.items()}
    return pd.DataFrame({"image_id": rows["image_id"], **votes})


def _judged(votes: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Turn the votes on an image into one state for each label; without a vote unmentioned."""
    share = votes.groupby("image_id", sort=False).mean()
    needed = {"majority": 0.5, "any": 0.0, "all": 1 - 1e-9}[options.readers]
    states = pd.DataFrame("negative", share.index, share.columns, dtype="str")
    states = states.mask(share > needed, "positive").mask(share.isna(), "unmentioned")
    if options.readers == "majority":
        states = states.mask(share == needed, "uncertain")
    return states


def _described(
    root: Path, images: pd.DataFrame, notes: Counter[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add what headers say of each image; part off those whose header cannot be read."""
    told = _dicom.headers(root, images["path"].tolist(), TAGS)
    age = _age_years(told["PatientAge"])
    images = images.assign(
        dataset="vindr_cxr",
        study_id=images["image_id"],
        official_fold=images["fold"].map(FOLDS),
        view=told["ViewPosition"].str.upper().fillna(VIEW),
        sex=told["PatientSex"].str.upper().map(SEXES).fillna(tables.UNKNOWN),
        age_years=age,
    )
    readable = told[_dicom.WHY].isna()
    notes[f"no view in the header: {VIEW}, as all images of the release"] = int(
        (told["ViewPosition"].isna() & readable).sum()
    )
    notes["age in the header that is 0 or none: unknown"] = int(
        (told["PatientAge"].notna() & age.isna()).sum()
    )
    kept, damaged = _source.part(images, readable, "")
    return kept, damaged.assign(why=told.loc[~readable, _dicom.WHY].to_numpy())


def _age_years(text: pd.Series) -> pd.Series:
    """Turn `045Y`, `011M` and `003D` into years; 0, an impossible or another text is unknown."""
    years = _source.age_years(text)
    return years.where((years > 0) & (years <= OLDEST_YEARS))


def _boxes(root: Path, images: pd.Series, notes: Counter[str]) -> pd.DataFrame:
    """Read the boxes of `images` in original pixels, each by its reader."""
    parts = [_boxes_of(root, fold, notes) for fold in FOLDS]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[_source.among(rows["image_id"], pd.Index(images))].reset_index(drop=True)
    rows["i"] = rows.groupby(["image_id", "label"]).cumcount()
    return _source.fill(tables.ANNOTATIONS, rows.assign(kind="box"))


def _boxes_of(root: Path, fold: str, notes: Counter[str]) -> pd.DataFrame:
    """Read one table of boxes; rows of images without a finding have no corners."""
    path = _csv.locate_optional(root, f"annotations/annotations_{fold}.csv")
    if path is None:
        return pd.DataFrame(
            {"image_id": [], "label": [], "geometry": [], "source": []}, dtype="str"
        )
    rows = _corners(path)
    x_min, y_min, x_max, y_max = (rows[name].astype("float64") for name in CORNERS)
    drawn = (x_max > x_min) & (y_max > y_min)
    odd = ~drawn & (rows["class_name"] != "No finding")
    notes["box without corners or area: left out"] += int(odd.sum())
    geometry = pd.concat([x_min, y_min, x_max - x_min, y_max - y_min], axis=1)[drawn]
    rows = rows[drawn]
    return pd.DataFrame(
        {
            "image_id": rows["image_id"],
            "label": rows["class_name"].map(LABELS),
            "geometry": [json.dumps(box) for box in geometry.to_numpy().tolist()],
            "source": rows.get("rad_id", path.name),
        }
    )


def _corners(path: Path) -> pd.DataFrame:
    """Read a table of boxes as text, with one spelling of each finding."""
    corner = _csv.pattern(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", "pixels", blank=True)
    by_reader = "rad_id" in _csv.header(path)
    columns = {
        "image_id": _csv.pattern(IMAGE, "a name without a folder"),
        "class_name": _csv.words([*LABELS, *SPELT]),
        **({"rad_id": _csv.pattern(r"\w+", "a reader")} if by_reader else {}),
        **dict.fromkeys(CORNERS, corner),
    }
    rows = _csv.read(path, columns)
    return rows.assign(class_name=rows["class_name"].replace(SPELT))
