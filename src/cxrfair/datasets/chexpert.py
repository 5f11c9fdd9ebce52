"""CheXpert v1.0 and v1.0-small: 224,316 images of 65,240 patients, with the demographics workbook.

The root holds `train.csv`, or the one folder `CheXpert-v1.0*` in it does. Official folds: train.csv
is train, `valid.csv` (in CheXlocalize's copy `val_labels.csv`) validation, the 500 test patients
(`test.csv`, `test_labels.csv`, or by study in `groundtruth.csv`) test; a copy without the test
patients has no official test fold. Training labels come from reports (1, 0, -1, blank), those of
the other two from radiologists (1, 0).

Words of `race`: what PRIMARY_RACE says, with ` | Hispanic/Latino` behind it where ETHNICITY begins
with "Hispanic" (that alone where there is no race). Known values of PRIMARY_RACE: White; White,
non-Hispanic; White, Hispanic; Black or African American; Black, non-Hispanic; Black, Hispanic;
Asian; Asian, non-Hispanic; Asian, Hispanic; Asian - Historical Conv; Native American, non-Hispanic;
Native American, Hispanic; American Indian or Alaska Native; Native Hawaiian or Other Pacific
Islander; Pacific Islander, non-Hispanic; Pacific Islander, Hispanic; Hispanic - Historical Conv;
Other; Other, non-Hispanic; Other, Hispanic. Unknown, Race and Ethnicity Unknown, Patient Refused
and blanks are missing. Who maps by substring must know that "non-Hispanic" holds "Hispanic" and
"Native Hawaiian or Other Pacific Islander" holds "Other".
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pandera.pandas as pandera

from cxrfair import tables
from cxrfair.datasets import _csv, _source, _workbook
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Irvin et al. 2019, CheXpert, AAAI 33, pp. 590-597; Stanford AIMI"
LISTS = {  # the file and the folder of each fold, by any of their names
    "train": (("train.csv",), ("train",)),
    "validation": (("valid.csv", "val_labels.csv"), ("valid", "val")),
    "test": (("test.csv", "test_labels.csv", "groundtruth.csv"), ("test",)),
}
WORKBOOK = "CHEXPERT DEMO.xlsx"
PLACES = ("", "CheXpert-v1.0*/")  # the root, or the root one level above
TABLES = tuple(
    f"{place}{name}{suffix}"
    for place in PLACES
    for names, _ in LISTS.values()
    for name in names
    for suffix in ("", ".gz")
) + tuple(f"{place}{WORKBOOK}" for place in PLACES)
IMAGES = (
    *(
        f"{place}{folder}/patient*/study*/view*.jpg"
        for place in PLACES
        for _, folders in LISTS.values()
        for folder in folders
    ),
    "CheXpert-v1.0 batch * (train *)/patient*/study*/view*.jpg",  # as Azure hands it out
)
LAYOUT = Layout(
    title="CheXpert v1.0 (or v1.0-small)",
    url="https://stanfordaimi.azurewebsites.net/datasets/8cbd9ed4-2eb9-4565-affc-111cf4f7ebe2",
    access="Register with Stanford AIMI and accept the Stanford University Dataset Research Use "
    "Agreement; free for research, not to be passed on.",
    files={
        "train.csv": "labels of the training images, from reports",
        "valid.csv": "labels of the validation images, by three radiologists",
        "test*.csv": "labels of the test images, by five radiologists (also groundtruth.csv)",
        WORKBOOK: "race, ethnicity, sex and age by patient, a separate download",
        "train/patient*/study*/view*.jpg": "training images",
        "valid/patient*/study*/view*.jpg": "validation images",
        "test/patient*/study*/view*.jpg": "test images",
    },
    counts={
        "images": 224_316,
        "patients": 65_240,
        "training images": 223_414,
        "training patients": 64_540,
        "validation images": 234,
        "validation patients": 200,
        "test images": 668,
        "test patients": 500,
    },
    optional=("test*.csv", WORKBOOK, "test/patient*/study*/view*.jpg"),
)

LABELS = {
    name: name.lower().replace(" ", "_")
    for name in (
        "No Finding",
        "Enlarged Cardiomediastinum",
        "Cardiomegaly",
        "Lung Opacity",
        "Lung Lesion",
        "Edema",
        "Consolidation",
        "Pneumonia",
        "Atelectasis",
        "Pneumothorax",
        "Pleural Effusion",
        "Pleural Other",
        "Fracture",
        "Support Devices",
    )
}
STATES = {"1": "positive", "0": "negative", "-1": "uncertain"}
SEXES = {"Female": "female", "Male": "male", "Unknown": tables.UNKNOWN}
SIDES = {"frontal": "Frontal", "lateral": "Lateral"}
STUDY = r"(?:CheXpert-v1\.0(?:-small)?/)?(?:{folders})/(patient\d{{5,7}})/(study\d{{1,3}})"
IMAGE = r"/(view\d{1,3})_(frontal|lateral)\.jpg"


def read(root: Path) -> Images:
    """Read the lists and the workbook, and find the images; those without a file are absent.

    Raises
    ------
    SourceError
        If a table breaks its promise, a patient is in two folds or no image file exists.
    """
    found = _files(root)
    notes: Counter[str] = Counter()
    entries = pd.concat(list(_lists(root, found, notes)), ignore_index=True)
    _apart(root, entries)
    entries["path"] = entries["image_id"].map(found)
    entries = _workbook.describe(entries, _demographics(root), notes)
    kept, absent = _source.part(entries, entries["path"].notna(), "no image file")
    if kept.empty:
        raise SourceError(f"{root}: none of {len(found)} image files is in the lists; check both")
    return Images(
        records=_source.fill(tables.RECORDS, kept.drop(columns=list(LABELS.values()))),
        labels=_source.long(kept.set_index("image_id")[list(LABELS.values())]),
        annotations=tables.ANNOTATIONS.empty(),
        absent=absent,
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def _one(root: Path, names: tuple[str, ...]) -> Path | None:
    """Find a table by any of its names; two that could be meant are an error."""
    patterns = (f"{p}{name}{gz}" for p in PLACES for name in names for gz in ("", ".gz"))
    found = sorted(path for pattern in patterns for path in root.glob(pattern))
    if len(found) > 1:
        raise SourceError(f"{root}: {found[0]} and {found[1]}; one may be there")
    return found[0] if found else None


def _files(root: Path) -> dict[str, str]:
    """Map image_id (`patient00001_study1_view1_frontal`) to the file's path below `root`."""
    found: dict[str, str] = {}
    for path in (path for pattern in IMAGES for path in root.glob(pattern)):
        place = path.relative_to(root).as_posix()
        image = "_".join(path.parts[-3:]).removesuffix(".jpg")
        if found.setdefault(image, place) != place:
            raise SourceError(f"{root}: {found[image]} and {place}; an image may be there once")
    if not found:
        raise SourceError(f"{root}: no image file at all; looked for {', '.join(IMAGES)}")
    return found


def _lists(root: Path, found: dict[str, str], notes: Counter[str]) -> Iterator[pd.DataFrame]:
    """Yield the entries of each fold that has a list; there must be a training list."""
    for fold, (names, folders) in LISTS.items():
        path = _one(root, names)
        if path is None and fold == "train":
            raise SourceError(f"{root}: a table is missing; looked for train.csv (plain or .gz)")
        if path is not None:
            if "Study" in _csv.header(path):
                rows = _by_study(path, folders, found, notes)
            else:
                rows = _by_image(path, fold, folders)
            yield rows.assign(dataset="chexpert", official_fold=fold)


def _by_image(path: Path, fold: str, folders: tuple[str, ...]) -> pd.DataFrame:
    """Read a list of images; test lists say nothing of the patient but the path."""
    place = STUDY.format(folders="|".join(folders)) + IMAGE
    says = f"[CheXpert-v1.0[-small]/]{folders[0]}/patient00001/study1/view1_frontal.jpg"
    told = {
        "Sex": _csv.words(SEXES, blank=True),
        "Age": _csv.pattern(r"\d{1,3}(\.0*)?", "whole years, 0 if unknown", blank=True),
        "Frontal/Lateral": _csv.words(SIDES.values(), blank=True),
        "AP/PA": _csv.words(("AP", "PA", "LL", "RL"), blank=True),
    }
    has = told if fold == "train" else _csv.header(path)
    columns = {
        "Path": _csv.pattern(place, says, unique=True),
        **{name: column for name, column in told.items() if name in has},
        **dict.fromkeys(LABELS, _state()),
    }
    rows = _csv.read(path, columns)
    parts = rows["Path"].str.extract(f"^{place}$")
    parts.columns = pd.Index(["patient_id", "study", "view", "side"])
    silent = pd.Series(None, rows.index, dtype="str")
    rows = rows.assign(**{name: silent for name in told if name not in columns})
    side = parts["side"].map(SIDES)
    _same_side(path, rows["Frontal/Lateral"], side)
    age = rows["Age"].astype("float64")
    named = _named(parts)
    _once(path, rows["Path"], named["image_id"])
    return named.assign(
        view=rows["AP/PA"].fillna(side.str.upper()),  # side views have no AP/PA
        sex=rows["Sex"].map(SEXES).fillna(tables.UNKNOWN),
        age_years=age.where(age > 0),
        **_states(rows),
    )


def _by_study(
    path: Path, folders: tuple[str, ...], found: dict[str, str], notes: Counter[str]
) -> pd.DataFrame:
    """Read a list of studies; each gives its states to those of its images that are there."""
    place = STUDY.format(folders="|".join(folders))
    says = f"[CheXpert-v1.0[-small]/]{folders[0]}/patient00001/study1"
    columns = {
        "Study": _csv.pattern(place, says, unique=True),
        **dict.fromkeys(LABELS, _state()),
    }
    rows = _csv.read(path, columns)
    parts = rows["Study"].str.extract(f"^{place}$")
    studies = _states(rows).assign(study_id=parts[0] + "_" + parts[1])
    images = pd.Series(list(found), dtype="str").str.extract(
        r"^(patient\d+)_(study\d+)_(view\d+)_(frontal|lateral)$"
    )
    images.columns = pd.Index(["patient_id", "study", "view", "side"])
    named = _named(images.dropna()).assign(
        view=images["side"].str.upper(), sex=tables.UNKNOWN, age_years=float("nan")
    )
    lacking = ~studies["study_id"].isin(named["study_id"])
    notes["test studies without an image file (studies)"] += int(lacking.sum())
    return named.merge(studies, on="study_id")


def _named(parts: pd.DataFrame) -> pd.DataFrame:
    """Return image, patient and study identifiers from the parts of a path."""
    study = parts["patient_id"] + "_" + parts["study"]
    image = study + "_" + parts["view"] + "_" + parts["side"]
    return pd.DataFrame({"image_id": image, "patient_id": parts["patient_id"], "study_id": study})


def _once(path: Path, places: pd.Series, images: pd.Series) -> None:
    """Raise if an image is listed twice, by paths that differ in their first folder."""
    again = images[images.duplicated()]
    if len(again):
        row = again.index[0]
        raise SourceError(
            f"{path} row {row}, column 'Path': {places[row]!r}; "
            f"allowed: each image once, here again ({len(again)} rows)"
        )


def _same_side(path: Path, told: pd.Series, named: pd.Series) -> None:
    """Raise if the column Frontal/Lateral contradicts the file's name."""
    odd = told[told.notna() & (told != named)]
    if len(odd):
        raise SourceError(
            f"{path} row {odd.index[0]}, column 'Frontal/Lateral': {odd.iloc[0]!r}; "
            f"allowed: {named[odd.index[0]]!r}, as in the path ({len(odd)} rows)"
        )


def _state() -> pandera.Column:
    """Describe a column of a label."""
    return _csv.pattern(r"(-?1|0)(\.0*)?", "1, 0, -1", blank=True)


def _states(rows: pd.DataFrame) -> pd.DataFrame:
    """Turn 1, 0, -1 and blank into states, by label."""
    states = {
        ours: rows[name].str.extract(r"^(-?\d)", expand=False).map(STATES).fillna("unmentioned")
        for name, ours in LABELS.items()
    }
    return pd.DataFrame(states)


def _apart(root: Path, entries: pd.DataFrame) -> None:
    """Raise if a patient is in two folds."""
    folds = entries.drop_duplicates(["patient_id", "official_fold"])
    twice = folds[folds["patient_id"].duplicated(keep=False)].sort_values("patient_id")
    if len(twice):
        both = " and ".join(twice["official_fold"].head(2))
        raise SourceError(
            f"{root}: a patient is in the lists of {both}; "
            f"allowed: one ({twice['patient_id'].nunique()} patients)"
        )


def _demographics(root: Path) -> pd.DataFrame | None:
    """Read the workbook, where there is one."""
    path = _one(root, (WORKBOOK,))
    return None if path is None else _workbook.read(path)
