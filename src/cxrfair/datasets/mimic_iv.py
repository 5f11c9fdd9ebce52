"""MIMIC-IV (v0.4 to v3.1): patients, admissions and, where present, emergency stays."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._source import Encounters

KIND: _source.Kind = "encounters"
SOURCE = "Johnson et al. 2023, MIMIC-IV, Scientific Data 10:1; PhysioNet"
TABLES = tuple(
    f"{name}.csv{suffix}"
    for name in (
        "hosp/patients",
        "hosp/admissions",
        "core/patients",  # up to v1.0
        "core/admissions",
        "ed/edstays",
    )
    for suffix in ("", ".gz")
)
IMAGES = ()

SEXES = {"F": "female", "M": "male"}
INSURANCES = ("Medicare", "Medicaid", "Private", "Other", "No charge")
RACES = (
    "WHITE",
    "WHITE - OTHER EUROPEAN",
    "WHITE - RUSSIAN",
    "WHITE - EASTERN EUROPEAN",
    "WHITE - BRAZILIAN",
    "PORTUGUESE",
    "BLACK/AFRICAN AMERICAN",
    "BLACK/CAPE VERDEAN",
    "BLACK/CARIBBEAN ISLAND",
    "BLACK/AFRICAN",
    "HISPANIC OR LATINO",
    "HISPANIC/LATINO",  # up to v1.0
    "HISPANIC/LATINO - PUERTO RICAN",
    "HISPANIC/LATINO - DOMINICAN",
    "HISPANIC/LATINO - GUATEMALAN",
    "HISPANIC/LATINO - SALVADORAN",
    "HISPANIC/LATINO - MEXICAN",
    "HISPANIC/LATINO - COLUMBIAN",
    "HISPANIC/LATINO - HONDURAN",
    "HISPANIC/LATINO - CUBAN",
    "HISPANIC/LATINO - CENTRAL AMERICAN",
    "SOUTH AMERICAN",
    "ASIAN",
    "ASIAN - CHINESE",
    "ASIAN - SOUTH EAST ASIAN",
    "ASIAN - ASIAN INDIAN",
    "ASIAN - KOREAN",
    "AMERICAN INDIAN/ALASKA NATIVE",
    "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER",
    "MULTIPLE RACE/ETHNICITY",
    "OTHER",
    "UNKNOWN",
    "UNABLE TO OBTAIN",
    "PATIENT DECLINED TO ANSWER",
)
LAYOUT = "%Y-%m-%d %H:%M:%S"
TIME = "a time YYYY-MM-DD HH:MM:SS"


def read(root: Path) -> Encounters:
    """Read the hospital tables in the layout of any version.

    An admission starts when the patient is registered in the emergency department, if that is
    earlier than the admission itself.

    Raises
    ------
    SourceError
        If a table is missing or breaks its promise.
    """
    stays = [_admissions(_csv.locate(root, "hosp/admissions.csv", "core/admissions.csv"))]
    emergency = _csv.locate_optional(root, "ed/edstays.csv")
    if emergency is not None:
        stays.append(_emergency(emergency))
    return Encounters(
        patients=_patients(_csv.locate(root, "hosp/patients.csv", "core/patients.csv")),
        stays=pd.concat(stays, ignore_index=True),
    )


def _patients(path: Path) -> pd.DataFrame:
    """Read sex and anchor age; an anchor age of 0 stands for an unknown one."""
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits", unique=True),
        "gender": _csv.words(SEXES, blank=True),
        "anchor_age": _csv.pattern(r"\d{1,3}", "whole years", blank=True),
        "anchor_year": _csv.pattern(r"\d{4}", "a year", blank=True),
    }
    rows = _csv.read(path, columns)
    age = rows["anchor_age"].astype("Float32")
    known = pd.DataFrame(
        {
            "patient_id": rows["subject_id"],
            "sex": rows["gender"].map(SEXES).fillna(tables.UNKNOWN),
            "anchor_age_years": age.where(age > 0).astype("float32"),
        }
    )
    return _source.fill(tables.PATIENTS, known).assign(
        anchor_year=rows["anchor_year"].astype("Int32").array
    )


def _admissions(path: Path) -> pd.DataFrame:
    """Read admissions; up to v1.0 the race is called ethnicity."""
    race = "race" if "race" in _csv.header(path) else "ethnicity"
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits"),
        "hadm_id": _csv.pattern(r"\d+", "digits", unique=True),
        "admittime": _csv.time(LAYOUT, TIME),
        "dischtime": _csv.time(LAYOUT, TIME, blank=True),
        "edregtime": _csv.time(LAYOUT, TIME, blank=True),
        "insurance": _csv.words(INSURANCES, blank=True),
        race: _csv.words(RACES, blank=True),
    }
    rows = _csv.read(path, columns)
    starts = pd.concat([_time(rows["admittime"]), _time(rows["edregtime"])], axis=1).min(axis=1)
    known = pd.DataFrame(
        {
            "stay_id": rows["hadm_id"],
            "patient_id": rows["subject_id"],
            "starts_at": starts,
            "ends_at": _time(rows["dischtime"]),
            "race": rows[race],
            "insurance": rows["insurance"],
        }
    ).assign(kind="admission")
    return _source.fill(tables.STAYS, known)


def _emergency(path: Path) -> pd.DataFrame:
    """Read emergency stays, which know nothing of insurance."""
    race = {"race": _csv.words(RACES, blank=True)} if "race" in _csv.header(path) else {}
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits"),
        "stay_id": _csv.pattern(r"\d+", "digits", unique=True),
        "intime": _csv.time(LAYOUT, TIME),
        "outtime": _csv.time(LAYOUT, TIME, blank=True),
        **race,
    }
    rows = _csv.read(path, columns)
    known = pd.DataFrame(
        {
            "stay_id": rows["stay_id"],
            "patient_id": rows["subject_id"],
            "starts_at": _time(rows["intime"]),
            "ends_at": _time(rows["outtime"]),
            **{name: rows[name] for name in race},
        }
    ).assign(kind="emergency")
    return _source.fill(tables.STAYS, known)


def _time(text: pd.Series) -> pd.Series:
    """Turn checked text into times of whole seconds."""
    return pd.to_datetime(text, format=LAYOUT).dt.as_unit("s")
