"""MIMIC-IV in the forms of its versions 1, 2 and 3: patients, and admissions around the X-rays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, population
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.writers import _mimic

FOLDER = {1: "core", 2: "hosp", 3: "hosp"}
NEW = ("admit_provider_id",)  # columns that version 1 lacks
COLUMNS = [
    "subject_id",
    "hadm_id",
    "admittime",
    "dischtime",
    "deathtime",
    "admission_type",
    "admit_provider_id",
    "admission_location",
    "discharge_location",
    "insurance",
    "language",
    "marital_status",
    "race",
    "edregtime",
    "edouttime",
    "hospital_expire_flag",
]
ETHNICITIES = {  # the eight words of version 1, by the heads of the later ones
    "WHITE": "WHITE",
    "PORTUGUESE": "WHITE",
    "BLACK/AFRICAN AMERICAN": "BLACK/AFRICAN AMERICAN",
    "BLACK/CAPE VERDEAN": "BLACK/AFRICAN AMERICAN",
    "HISPANIC OR LATINO": "HISPANIC/LATINO",
    "HISPANIC/LATINO": "HISPANIC/LATINO",
    "SOUTH AMERICAN": "HISPANIC/LATINO",
    "ASIAN": "ASIAN",
    "AMERICAN INDIAN/ALASKA NATIVE": "AMERICAN INDIAN/ALASKA NATIVE",
    "OTHER": "OTHER",
    "MULTIPLE RACE/ETHNICITY": "OTHER",
    "UNKNOWN": "UNKNOWN",
    "UNABLE TO OBTAIN": "UNABLE TO OBTAIN",
    "PATIENT DECLINED TO ANSWER": "UNKNOWN",
}
NAMED_BEFORE_3 = ("Medicare", "Medicaid")  # every other insurance, and none, is Other
DIED = 0.08  # share of patients with a date of death


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each patient, some at a time."""
    folder = FOLDER[config.mimic_iv_version]
    with output.Tables(root) as tables:
        for numbers in population.blocks(config):
            persons = population.people(config, numbers)
            stays = _mimic.stays(config, persons)
            known = persons[~_mimic.absent(config, numbers)]
            tables.append(f"{folder}/patients.csv.gz", _patients(config, known, stays))
            admissions = _in_form(_admissions(stays), config.mimic_iv_version)
            tables.append(f"{folder}/admissions.csv.gz", admissions)
            yield persons.assign(subject_id=_mimic.subject_ids(config, numbers))


def _patients(config: PhantomConfig, persons: pd.DataFrame, stays: pd.DataFrame) -> pd.DataFrame:
    """Return one row a patient; ages above 89 read 91, and a few read 0."""
    numbers = persons["patient"].to_numpy()
    u = noise.uniform(config.seed, "anchor", numbers, 3).T
    first = _mimic.first_days(config, numbers).year.to_numpy()
    ahead = np.floor(u[0] * 5).astype(int) - 2
    age = np.maximum(np.floor(persons["age_years"].to_numpy()).astype(int) + ahead, 18)
    age = np.where(age > 89, 91, age)
    start = 2008 + 3 * np.floor(u[2] * 4).astype(int)
    return pd.DataFrame(
        {
            "subject_id": _mimic.subject_ids(config, numbers),
            "gender": persons["sex"].map({"female": "F", "male": "M"}),
            "anchor_age": np.where(u[1] < config.missing_share / 2, 0, age),
            "anchor_year": first + ahead,
            "anchor_year_group": [f"{year} - {year + 2}" for year in start],
            "dod": _deaths(config, persons, stays),
        }
    ).sort_values("subject_id")


def _deaths(config: PhantomConfig, persons: pd.DataFrame, stays: pd.DataFrame) -> pd.Series:
    """Return dates of death, after a patient's last stay; most are blank, in version 1 all."""
    times = stays[["patient", "at", "start", "end", "ed_end"]].set_index("patient")
    last = pd.to_datetime(times.max(axis=1)).groupby("patient").max().reindex(persons["patient"])
    u = noise.uniform(config.seed, "death", persons["patient"].to_numpy(), 2).T
    died = (u[0] < DIED) & (config.mimic_iv_version > 1)
    date = last.set_axis(persons.index) + pd.to_timedelta(np.floor(1 + 700 * u[1]), unit="D")
    text: pd.Series = date.dt.strftime("%Y-%m-%d")
    return text.where(died)


def _admissions(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of version 3; identifiers are random, so not in order of time."""
    rows = stays[stays["start"].notna()]
    urgent = rows["ed_start"].notna()
    moved_up = (rows["start"] + pd.Timedelta(minutes=24)).where(urgent)
    old = rows["age_years"] > 70
    frame = rows.assign(
        admittime=_mimic.written(rows["start"], rows["dirt"]),
        dischtime=_mimic.written(rows["end"], rows["dirt"]),
        deathtime=np.nan,
        admission_type=np.where(urgent, "EW EMER.", "ELECTIVE"),
        admit_provider_id="P" + (rows["hadm_id"] % 100_000).astype(str).str.zfill(5),
        admission_location=np.where(urgent, "EMERGENCY ROOM", "PHYSICIAN REFERRAL"),
        discharge_location=np.where(old, "SKILLED NURSING FACILITY", "HOME"),
        language="English",
        marital_status=np.where(old, "WIDOWED", "MARRIED"),
        edregtime=_mimic.written(rows["ed_start"]),
        edouttime=_mimic.written(moved_up),
        hospital_expire_flag=0,
    )
    return frame[COLUMNS].sort_values(["subject_id", "hadm_id"])


def _in_form(rows: pd.DataFrame, version: int) -> pd.DataFrame:
    """Say what version 3 says in the words and columns of an earlier version."""
    if version == 3:
        return rows
    named = rows["insurance"].isin(NAMED_BEFORE_3)
    rows = rows.assign(insurance=rows["insurance"].where(named, "Other"), language="ENGLISH")
    if version == 2:
        return rows
    head = rows["race"].str.split(" - ").str[0]
    rows = rows.assign(race=head.map(ETHNICITIES)).drop(columns=list(NEW))
    return rows.rename(columns={"race": "ethnicity"})
