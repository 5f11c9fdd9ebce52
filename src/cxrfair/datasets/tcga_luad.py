"""TCGA-LUAD: lung adenocarcinoma, stages from GDC's clinical table, images from TCIA, mostly CT.

A case has many images (the slices of its scans): only a split by patient keeps them together. The
view is the DICOM Modality (`CT`, `PT`, ...); of a radiograph (`CR`, `DX`) it is its ViewPosition
where it has one. `cohort.views` chooses by it.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Self

import pandas as pd
from pydantic import model_validator

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.datasets import _dicom, _source, _tabbed
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import OLDEST_YEARS, Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Albertina et al. 2016, TCGA-LUAD, TCIA; TCGA Research Network; NCI Genomic Data Commons"
TABLES = ("clinical.tsv", "*/clinical.tsv")
IMAGES = ("**/*.dcm",)
LAYOUT = Layout(
    title="TCGA-LUAD (GDC clinical table, TCIA images)",
    url="https://www.cancerimagingarchive.net/collection/tcga-luad/",
    access="Open: take the clinical table from the GDC portal (project TCGA-LUAD) and the images "
    "from TCIA under CC BY 3.0; name both.",
    files={
        "**/clinical.tsv": "sex, age, race and stage of each case, several rows a case",
        "**/*.dcm": "images, in folders by case, study and series",
    },
    counts={},  # no published number could be confirmed
)

LABELS = {"late stage": "late_stage"}
COLUMNS = {  # of GDC's exports, the newer names first
    "case": ("cases.submitter_id", "case_submitter_id", "submitter_id"),
    "sex": ("demographic.gender", "gender", "demographic.sex_at_birth"),
    "stage": ("diagnoses.ajcc_pathologic_stage", "ajcc_pathologic_stage"),
    "race": ("demographic.race", "race"),
    "ethnicity": ("demographic.ethnicity", "ethnicity"),
    "age": ("demographic.age_at_index", "age_at_index"),
    "born": ("demographic.days_to_birth", "days_to_birth"),
    "tumor": ("diagnoses.classification_of_tumor", "classification_of_tumor"),
}
NEEDED = ("case", "sex", "stage")
MISSING = {"", "'--", "--"}
PRIMARY = "primary"  # of several tumours, the one the case is about
CASE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
SEXES = {"female": "female", "male": "male"}
RADIOGRAPHS = ("CR", "DX")


class Options(Section):
    """Which AJCC stages are early and which late (setting `data.tcga_luad.options`).

    The defaults are Fair Diagnosis's, which leave out stages without a letter (Stage I, II, III and
    IV): of a case with such a stage `late_stage` is unmentioned.
    """

    early: tuple[str, ...] = ("Stage IA", "Stage IB", "Stage IIA", "Stage IIB")
    late: tuple[str, ...] = ("Stage IIIA", "Stage IIIB", "Stage IIIC", "Stage IVA", "Stage IVB")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted(set(self.early) & set(self.late)):
            raise ValueError(f"{both} in both lists; a stage is early or late")
        return self


def read(root: Path, options: Options) -> Images:
    """Read the clinical table and find the images of its cases.

    Raises
    ------
    SourceError
        If the table breaks its promise or no image file exists.
    """
    notes: Counter[str] = Counter()
    cases = read_cases(_table(root), options, notes)
    images = _images(root)
    told = _dicom.headers(root, images["path"].tolist(), ("Modality", "ViewPosition"))
    images["view"] = _view(told)
    why = told[_dicom.WHY].mask(
        ~_source.among(images["patient_id"], cases.index), "no clinical row"
    )
    why = why.mask(images["patient_id"] == tables.UNKNOWN, "no case in its path")
    kept, absent = _source.part(images, why.isna(), "")
    absent["why"] = why[why.notna()].to_numpy()
    if kept.empty:
        raise SourceError(f"{root}: none of {len(images)} images has a case of the clinical table")
    of_image = cases.loc[kept["patient_id"]].reset_index(drop=True)
    states = of_image[["late_stage"]].set_axis(kept["image_id"])
    known = pd.concat([kept, of_image.drop(columns="late_stage")], axis=1)
    return Images(
        records=_source.fill(tables.RECORDS, known.assign(dataset="tcga_luad")),
        labels=_source.long(states),
        annotations=tables.ANNOTATIONS.empty(),
        absent=absent,
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def _table(root: Path) -> Path:
    """Find the one clinical table."""
    found = sorted(path for pattern in TABLES for path in root.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"{root}: {len(found)} files clinical.tsv; one is needed")
    return found[0]


def _rows(path: Path) -> pd.DataFrame:
    """Read the columns we use under our names, as text; missing where the table says so."""
    lines = _tabbed.rows(path, "utf-8-sig")
    _, header = next(lines, (1, []))
    places = {
        ours: next((header.index(n) for n in names if n in header), None)
        for ours, names in COLUMNS.items()
    }
    if lacking := [COLUMNS[ours] for ours in NEEDED if places[ours] is None]:
        raise SourceError(f"{path}: no column {lacking[0]}; has {', '.join(header[:8])}, ...")
    rows, numbers = [], []
    for line, cells in lines:
        if len(cells) != len(header):
            raise SourceError(
                f"{path} row {line}: {len(cells)} cells; the header has {len(header)}"
            )
        rows.append(
            [None if i is None or cells[i] in MISSING else cells[i] for i in places.values()]
        )
        numbers.append(line)
    told = pd.DataFrame(rows, index=numbers, columns=list(places), dtype="str")
    _refuse_odd_cases(told, path)
    return told


def _refuse_odd_cases(told: pd.DataFrame, path: Path) -> None:
    """Stop at a case that is not named as TCGA names them: it will be a folder's name."""
    odd = told[~told["case"].str.fullmatch(CASE).fillna(False).astype(bool)]
    if len(odd):
        raise SourceError(
            f"{path} row {odd.index[0]}, column of the case: no case of TCGA; "
            f"allowed: TCGA-XX-XXXX ({len(odd)} rows)"
        )


def read_cases(path: Path, options: Options, notes: Counter[str]) -> pd.DataFrame:
    """Return one row a case (index): sex, age_years, race, late_stage.

    Stages of earlier or second tumours do not count where the table tells them apart. Rows of a
    case that agree are one; where they do not, the case's value is unknown, and counted.
    """
    rows = _rows(path)
    second = rows["tumor"].notna() & (rows["tumor"].str.lower() != PRIMARY) & rows["stage"].notna()
    notes["stage of another tumour than the primary: not used"] = int(second.sum())
    rows["stage"] = rows["stage"].mask(second)
    cases = pd.DataFrame({name: _agreed(rows, name, notes) for name in COLUMNS if name != "case"})
    age = _number(cases["age"]).fillna(_number(cases["born"]) / -365.25)
    hispanic = cases["ethnicity"].str.match("hispanic", case=False).fillna(False).astype(bool)
    race = cases["race"].where(~hispanic, cases["race"].fillna("") + " | " + cases["ethnicity"])
    late = cases["stage"].isin(options.late)
    known = late | cases["stage"].isin(options.early)
    notes["case without a stage: unmentioned"] = int(cases["stage"].isna().sum())
    notes["case with a stage in neither list: unmentioned"] = int(
        (cases["stage"].notna() & ~known).sum()
    )
    stage = late.map({True: "positive", False: "negative"}).where(known, "unmentioned")
    return pd.DataFrame(
        {
            "sex": cases["sex"].str.lower().map(SEXES).fillna(tables.UNKNOWN),
            "age_years": age.where((age >= 0) & (age <= OLDEST_YEARS)),
            "race": race.str.removeprefix(" | "),
            "late_stage": stage,
        }
    )


def _agreed(rows: pd.DataFrame, name: str, notes: Counter[str]) -> pd.Series:
    """Return each case's one value; none where its rows disagree."""
    values = rows.groupby("case")[name]
    first, several = values.first(), values.nunique() > 1
    if name != "tumor":
        notes[f"case whose rows disagree in {name}: unknown"] = int(several.sum())
    return first.mask(several)


def _number(text: pd.Series) -> pd.Series:
    """Turn cells into numbers; whatever is none is missing."""
    shaped = text.str.fullmatch(r"-?\d+(\.\d*)?").fillna(False).astype(bool)
    return text.where(shaped).astype("float64")


def _images(root: Path) -> pd.DataFrame:
    """List the image files: case and study from the folders, image_id from the whole path."""
    paths = sorted({p.relative_to(root).as_posix() for glob in IMAGES for p in root.glob(glob)})
    if not paths:
        raise SourceError(f"{root}: no image file at all; looked for {', '.join(IMAGES)}")
    rows = []
    for path in paths:
        folders = path.split("/")[:-1]
        at = next((i for i, name in enumerate(folders) if CASE.fullmatch(name)), None)
        case = tables.UNKNOWN if at is None else folders[at]
        study = folders[: len(folders) if at is None else at + 2]
        rows.append((path.removesuffix(".dcm"), case, "/".join(study) or case, path))
    return pd.DataFrame(rows, columns=["image_id", "patient_id", "study_id", "path"], dtype="str")


def _view(told: pd.DataFrame) -> pd.Series:
    """Return how an image was taken, by its header."""
    flat = told["Modality"].isin(RADIOGRAPHS) & told["ViewPosition"].notna()
    return told["Modality"].mask(flat, told["ViewPosition"])
