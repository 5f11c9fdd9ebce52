"""MIMIC-IV (v3 form) and MIMIC-IV-ED: patients, admissions and emergency stays around the X-rays.

Stays are arranged so that every rung of the linking ladder is needed: see `visits` in the settings.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.phantom import noise, output, population
from cxrfair.phantom.config import INSURANCES, RACES, PhantomConfig, VisitShares
from cxrfair.phantom.writers import _mimic

KINDS = tuple(VisitShares.model_fields)
RACE_WORDS = {
    "white": ("WHITE", "WHITE", "WHITE", "WHITE - OTHER EUROPEAN", "WHITE - RUSSIAN", "PORTUGUESE"),
    "black": ("BLACK/AFRICAN AMERICAN", "BLACK/AFRICAN AMERICAN", "BLACK/CAPE VERDEAN"),
    "hispanic": ("HISPANIC OR LATINO", "HISPANIC/LATINO - PUERTO RICAN", "SOUTH AMERICAN"),
    "asian": ("ASIAN", "ASIAN - CHINESE", "ASIAN - ASIAN INDIAN"),
    "other": ("OTHER", "AMERICAN INDIAN/ALASKA NATIVE", "MULTIPLE RACE/ETHNICITY"),
}
RACE_UNKNOWN = ("UNKNOWN", "UNABLE TO OBTAIN", "PATIENT DECLINED TO ANSWER")
INSURANCE_WORDS = dict(zip(INSURANCES, ("Medicare", "Private", "Medicaid", "Other"), strict=True))
ADMISSION_COLUMNS = [
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
EMERGENCY_COLUMNS = [
    "subject_id",
    "hadm_id",
    "stay_id",
    "intime",
    "outtime",
    "gender",
    "race",
    "arrival_transport",
    "disposition",
]
Times = NDArray[np.float64]


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each patient, some at a time."""
    with output.Tables(root) as tables:
        for numbers in population.blocks(config):
            persons = population.people(config, numbers)
            stays = _stays(config, persons)
            known = persons[~_mimic.absent(config, numbers)]
            stays = stays[stays["patient"].isin(known["patient"])]
            tables.append("hosp/patients.csv.gz", _patients(config, known))
            tables.append("hosp/admissions.csv.gz", _admissions(stays))
            tables.append("ed/edstays.csv.gz", _emergency(stays))
            yield persons.assign(subject_id=_mimic.subject_ids(config, numbers))


def _patients(config: PhantomConfig, persons: pd.DataFrame) -> pd.DataFrame:
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
            "dod": np.nan,
        }
    ).sort_values("subject_id")


def _stays(config: PhantomConfig, persons: pd.DataFrame) -> pd.DataFrame:
    """Return the stay each study gave rise to, if any, with what the hospital wrote about it.

    `start`, `end`, `ed_start` and `ed_end` are times or empty; `kind` says how they lie to `at`.
    """
    studies = population.studies(config, persons, _mimic.DATASET)
    keys = studies["key"].to_numpy()
    kind = noise.choose(
        noise.uniform(config.seed, "visit", keys, 1)[:, 0],
        list(config.visits.model_dump().values()),
    )
    studies = studies.assign(
        kind=np.asarray(KINDS)[kind],
        at=_mimic.study_times(config, studies),
        subject_id=_mimic.subject_ids(config, studies["patient"].to_numpy()),
        hadm_id=20_000_000 + noise.permuted(keys, config.seed, "admission"),
        stay_id=30_000_000 + noise.permuted(keys, config.seed, "emergency"),
    )
    u = noise.uniform(config.seed, "stay", keys, 12).T
    for name, hours in _hours(studies["kind"], u).items():
        whole = pd.to_timedelta(np.floor(hours * 3600), unit="s")
        studies[name] = studies["at"] + pd.Series(whole, index=studies.index)
    return _described(config, studies, u).query("kind != 'none'")


def _hours(kind: pd.Series, u: Times) -> dict[str, Times]:
    """Return when stays begin and end, in hours from the study; not a number where they do not.

    One admission in seven that came by the emergency room was decided on after the X-ray.
    """
    inside = (kind == "admission").to_numpy()
    away = np.select(
        [kind == "nearby", kind == "distant"], [48 + 5000 * u[2], 12_000 + 24_000 * u[2]], 0.0
    )
    length = 12 + 150 * u[1]
    after = u[3] < 0.5
    start = np.where(inside, -1 - 110 * u[0], np.where(after, away, -away - length))
    end = np.where(inside, 6 + 140 * u[1], start + length)
    by_emergency = inside & (u[4] < 0.6)
    late = by_emergency & (u[5] < 0.15)
    start = np.where(late, 0.5 + 3 * u[0], start)
    only = (kind == "emergency").to_numpy()
    ed_start = np.select([only, late, by_emergency], [-0.3 - 6 * u[0], -1 - 5 * u[6], start - 9.0])
    ed_end = np.select([only, by_emergency], [0.3 + 8 * u[1], start + 0.4])
    in_hospital = inside | (away > 0)
    in_emergency = only | by_emergency
    return {
        "start": np.where(in_hospital, start, np.nan),
        "end": np.where(in_hospital, end, np.nan),
        "ed_start": np.where(in_emergency, ed_start, np.nan),
        "ed_end": np.where(in_emergency, ed_end, np.nan),
    }


def _described(config: PhantomConfig, stays: pd.DataFrame, u: Times) -> pd.DataFrame:
    """Add race and insurance in the source's words, some conflicting, some unknown."""
    race = stays["race"].to_numpy()
    another = np.asarray(RACES)[(u[7] * len(RACES)).astype(int)]
    race = np.where(u[8] < config.race_conflict_share, another, race)
    words = [RACE_WORDS[name] for name in race]
    said = np.asarray([word[int(v * len(word))] for word, v in zip(words, u[9], strict=True)])
    silent = np.asarray(RACE_UNKNOWN)[(u[10] * len(RACE_UNKNOWN)).astype(int)]
    insurance = stays["insurance"].map(INSURANCE_WORDS)
    return stays.assign(
        race=np.where(u[11] < config.missing_share, silent, said),
        insurance=insurance.where(u[11] < 1 - config.missing_share),
    )


def _admissions(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `admissions.csv.gz`; identifiers are random, so not in order of time."""
    rows = stays[stays["start"].notna()]
    urgent = rows["ed_start"].notna()
    old = rows["age_years"] > 70
    frame = rows.assign(
        admittime=rows["start"],
        dischtime=rows["end"],
        deathtime=np.nan,
        admission_type=np.where(urgent, "EW EMER.", "ELECTIVE"),
        admit_provider_id="P" + (rows["hadm_id"] % 100_000).astype(str).str.zfill(5),
        admission_location=np.where(urgent, "EMERGENCY ROOM", "PHYSICIAN REFERRAL"),
        discharge_location=np.where(old, "SKILLED NURSING FACILITY", "HOME"),
        language="English",
        marital_status=np.where(old, "WIDOWED", "MARRIED"),
        edregtime=rows["ed_start"],
        edouttime=rows["ed_end"],
        hospital_expire_flag=0,
    )
    return frame[ADMISSION_COLUMNS].sort_values(["subject_id", "hadm_id"])


def _emergency(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `edstays.csv.gz`; `hadm_id` is empty where no admission followed."""
    rows = stays[stays["ed_start"].notna()]
    admitted = rows["start"].notna()
    frame = rows.assign(
        hadm_id=rows["hadm_id"].astype("Int64").where(admitted),
        intime=rows["ed_start"],
        outtime=rows["ed_end"],
        gender=rows["sex"].map({"female": "F", "male": "M"}),
        arrival_transport=np.where(rows["age_years"] > 70, "AMBULANCE", "WALK IN"),
        disposition=np.where(admitted, "ADMITTED", "HOME"),
    )
    return frame[EMERGENCY_COLUMNS].sort_values(["subject_id", "stay_id"])
