"""MIMIC-IV (v0.4 to v3.1): a hospital's patients and admissions."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source, _stays
from cxrfair.datasets._source import Encounters, Layout

KIND: _source.Kind = "encounters"
SOURCE = "Johnson et al. 2023, MIMIC-IV, Scientific Data 10:1; PhysioNet"
TABLES = tuple(
    f"{name}.csv{suffix}"
    for name in (
        "hosp/patients",
        "hosp/admissions",
        "core/patients",  # up to v1.0
        "core/admissions",
    )
    for suffix in ("", ".gz")
)
IMAGES = ()
LAYOUT = Layout(
    title="MIMIC-IV v3.1",
    url="https://physionet.org/content/mimiciv/3.1/",
    access="PhysioNet credentialed access: CITI training and a signed data use agreement.",
    files={
        "*/patients.csv": "sex and age of each patient; in hosp/, up to v1.0 in core/",
        "*/admissions.csv": "times, race and insurance of each admission; beside the patients",
    },
    counts={"patients": 364_627, "admissions": 546_028},
)

SEXES = {"F": "female", "M": "male"}
INSURANCES = ("Medicare", "Medicaid", "Private", "Other", "No charge")
OLDEST = 89  # years; the source writes every age above as 91
MOMENT = "admissions that end before they begin, taken as a moment"
AGELESS = "patients of anchor age 0, whose age is unknown"
OLD = "patients older than 89 years, whose age the source writes as 91"


def read(root: Path) -> Encounters:
    """Read the hospital tables in the layout of any version.

    An admission starts when the patient is registered in the emergency department, if that is
    earlier than the admission itself; one that ends before that is a moment. A date without a clock
    is the first second of the day where a stay begins, and the last where it ends.

    Raises
    ------
    SourceError
        If a table is missing or breaks its promise; a time with a zone does.
    """
    patients = _patients(_csv.locate(root, "hosp/patients.csv", "core/patients.csv"))
    stays, notes = _admissions(_csv.locate(root, "hosp/admissions.csv", "core/admissions.csv"))
    age = patients["anchor_age_years"]
    notes = {**notes, AGELESS: int((age == 0).sum()), OLD: int((age > OLDEST).sum())}
    return Encounters(
        patients=patients.assign(anchor_age_years=age.where(age > 0)),
        stays=stays,
        notes=_stays.some(notes),
    )


def _patients(path: Path) -> pd.DataFrame:
    """Read sex and anchor age, still 0 where that stands for an unknown one."""
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits", unique=True),
        "gender": _csv.words(SEXES, blank=True),
        "anchor_age": _csv.pattern(r"\d{1,3}", "whole years", blank=True),
        "anchor_year": _csv.pattern(r"\d{4}", "a year", blank=True),
    }
    rows = _csv.read(path, columns)
    known = pd.DataFrame(
        {
            "patient_id": rows["subject_id"],
            "sex": rows["gender"].map(SEXES).fillna(tables.UNKNOWN),
            "anchor_age_years": rows["anchor_age"].astype("Float32").astype("float32"),
        }
    )
    return _source.fill(tables.PATIENTS, known).assign(
        anchor_year=rows["anchor_year"].astype("Int32").array
    )


def _admissions(path: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Read admissions, and count what was odd; up to v1.0 the race is called ethnicity."""
    race = "race" if "race" in _csv.header(path) else "ethnicity"
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits"),
        "hadm_id": _csv.pattern(r"\d+", "digits", unique=True),
        "admittime": _stays.time(),
        "dischtime": _stays.time(blank=True),
        "edregtime": _stays.time(blank=True),
        "insurance": _csv.words(INSURANCES, blank=True),
        race: _csv.words(_stays.RACES, blank=True),
    }
    rows = _csv.read(path, columns)
    begun = [_stays.begins(rows[name]) for name in ("admittime", "edregtime")]
    starts, ends = pd.concat(begun, axis=1).min(axis=1), _stays.ends(rows["dischtime"])
    known = pd.DataFrame(
        {
            "stay_id": rows["hadm_id"],
            "patient_id": rows["subject_id"],
            "starts_at": starts,
            "ends_at": ends.mask(ends < starts, starts),
            "race": rows[race],
            "insurance": rows["insurance"],
        }
    ).assign(kind="admission")
    notes = _stays.odd_times(rows[name] for name in ("admittime", "dischtime", "edregtime"))
    return _source.fill(tables.STAYS, known), {MOMENT: int((ends < starts).sum()), **notes}
