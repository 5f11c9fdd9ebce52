"""People and their X-ray studies: S, S -> Y, and how the disease runs from study to study.

Shares and prevalences are those stated for MIMIC-CXR by the rebalancing paper, section 3
(`STATED`), moved to the settings' overall prevalence on the log-odds scale.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from cxrfair.phantom import noise
from cxrfair.phantom.config import INSURANCES, RACES, SEXES, PhantomConfig, Prevalence
from cxrfair.phantom.noise import Keys

Array = NDArray[np.float64]

FINDINGS: tuple[str, ...] = tuple(Prevalence.model_fields)
PATHOLOGIES = tuple(finding for finding in FINDINGS if finding != "support_devices")  # no disease
MAX_STUDIES = 8
BLOCK = 1024  # patients in memory at a time
AGE_BINS = ((18, 31), (31, 51), (51, 66), (66, 81), (81, 96))  # years, [low, high)
AGE_SHARES = (0.12, 0.25, 0.28, 0.24, 0.11)
CHRONICITY = 0.6  # correlation of a patient's disease from one study to the next

# Insurance by age bin, in the order of INSURANCES; over all ages 42, 38, 15 and 5 per cent.
INSURANCE_BY_AGE = (
    (0.06, 0.53, 0.32, 0.09),
    (0.10, 0.58, 0.25, 0.07),
    (0.26, 0.52, 0.16, 0.06),
    (0.88, 0.08, 0.02, 0.02),
    (0.92, 0.05, 0.02, 0.01),
)

# The overall prevalence the paper states, and that of the groups it names.
STATED: Mapping[str, tuple[float, Mapping[str, Mapping[object, float]]]] = {
    "cardiomegaly": (
        0.23,
        {
            "race": {"black": 0.27, "white": 0.22},
            "age": {0: 0.08, 1: 0.15, 2: 0.22, 3: 0.33, 4: 0.43},
        },
    ),
    "pleural_effusion": (
        0.21,
        {
            "sex": {"male": 0.24, "female": 0.18},
            "age": {0: 0.08, 1: 0.14, 2: 0.21, 3: 0.29, 4: 0.36},
        },
    ),
    "edema": (0.13, {"age": {0: 0.05, 1: 0.08, 2: 0.13, 3: 0.18, 4: 0.24}}),
    "pneumonia": (
        0.10,
        {"race": {"hispanic": 0.12, "white": 0.09}, "insurance": {"medicaid": 0.13}},
    ),
}


def blocks(config: PhantomConfig) -> Iterator[Keys]:
    """Yield the numbers of all patients, `BLOCK` at a time."""
    for first in range(0, config.patients, BLOCK):
        yield np.arange(first, min(first + BLOCK, config.patients), dtype=np.int64)


def people(
    config: PhantomConfig, numbers: Keys, do: Mapping[str, str | float] | None = None
) -> pd.DataFrame:
    """Return one row for each patient number: sex, age_years, age_bin, race, insurance.

    A patient's row depends on the seed and the number alone, and on attributes set by `do`
    (see `intervention`): insurance follows the age that is set unless it is set itself.
    """
    u = noise.uniform(config.seed, "people", numbers, 5)
    bins = noise.choose(u[:, 1], AGE_SHARES)
    low, high = np.asarray(AGE_BINS, dtype=float)[bins].T
    shares = config.race_shares.model_dump()
    sex_shares = (config.female_share, 1 - config.female_share)
    natural = {
        "sex": np.asarray(SEXES)[noise.choose(u[:, 0], sex_shares)],
        "age_years": low + u[:, 2] * (high - low),
        "race": np.asarray(RACES)[noise.choose(u[:, 3], [shares[name] for name in RACES])],
    }
    rows = pd.DataFrame({"patient": numbers, **natural}).assign(**(do or {}))
    starts = [low for low, _ in AGE_BINS[1:]]
    bins = np.searchsorted(starts, rows["age_years"].to_numpy(float), side="right")
    insured = np.asarray(INSURANCES)[noise.choose_by(u[:, 4], INSURANCE_BY_AGE, bins)]
    rows.insert(3, "age_bin", bins)
    return rows if "insurance" in rows else rows.assign(insurance=insured)


def prevalence(config: PhantomConfig, persons: pd.DataFrame) -> dict[str, Array]:
    """Return P(finding | attributes) for each person and finding."""
    base = config.prevalence.model_dump()
    strength = config.indirect_path.model_dump()
    groups = {"age": persons["age_bin"], **{k: persons[k] for k in ("sex", "race", "insurance")}}
    rates = {}
    for finding in FINDINGS:
        odds = np.full(len(persons), logit(base[finding]))
        overall, stated = STATED.get(finding, (0.5, {}))
        for attribute, by_group in stated.items():
            offset = {group: logit(rate) - logit(overall) for group, rate in by_group.items()}
            odds += strength[attribute] * groups[attribute].map(offset).fillna(0.0).to_numpy(float)
        rates[finding] = expit(odds)
    return rates


def studies(
    config: PhantomConfig, persons: pd.DataFrame, dataset: str, ill: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row a study of one data set: key, patient, study, day, truth and severity.

    `day` counts from the patient's first study. Each finding gives a column of truth and one of
    severity in [0, 1), by a threshold on a latent normal. Disease follows the attributes of `ill`,
    row by row in place of those of `persons` where an intervention parts the two.
    """
    counts = _study_counts(config, persons["patient"].to_numpy(), dataset)
    rows = np.repeat(np.arange(len(persons)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    patient = persons["patient"].to_numpy()[rows]
    key = patient * MAX_STUDIES + number
    frame = pd.DataFrame({"key": key, "patient": patient, "study": number})
    frame["day"] = _days(config, frame, dataset)
    truth = {}
    for finding, rate in prevalence(config, persons if ill is None else ill).items():
        depth, limit = _depth(config, frame, dataset, finding), rate[rows]
        truth[finding] = depth < limit
        severity = 1 - depth / np.maximum(limit, 1e-12)
        truth[f"{finding}_severity"] = np.where(truth[finding], severity, 0.0)
    attributes = persons.drop(columns="patient").iloc[rows].reset_index(drop=True)
    frame = pd.concat([frame, pd.DataFrame(truth), attributes], axis=1)
    frame["age_years"] += frame["day"] / 365.25
    return frame


def _depth(config: PhantomConfig, frame: pd.DataFrame, dataset: str, finding: str) -> Array:
    """Draw how deep each study lies in a finding, uniform; below its prevalence it is there.

    The chronic part is the patient's, shared by all data sets of a family, the rest the study's.
    Each finding has noise of its own, so that a further one moves none.
    """
    patients, keys = frame["patient"].to_numpy(), frame["key"].to_numpy()
    chronic = noise.normal(config.seed, f"chronic {finding}", patients, 1)[:, 0]
    acute = noise.normal(config.seed, f"acute {dataset} {finding}", keys, 1)[:, 0]
    depth: Array = ndtr(np.sqrt(CHRONICITY) * chronic + np.sqrt(1 - CHRONICITY) * acute)
    return depth


def _study_counts(config: PhantomConfig, patients: Keys, dataset: str) -> NDArray[np.int64]:
    """Draw how many studies each has: geometric with the wished mean, cut at MAX_STUDIES."""
    u = noise.uniform(config.seed, f"study count {dataset}", patients, 1)[:, 0]
    stay = 1 - 1 / config.studies_per_patient
    if stay == 0:
        return np.ones(len(patients), dtype=np.int64)
    counts: Keys = np.minimum(1 + np.floor(np.log(u) / np.log(stay)), MAX_STUDIES).astype(np.int64)
    return counts


def _days(config: PhantomConfig, frame: pd.DataFrame, dataset: str) -> Array:
    """Draw gaps of days to years between studies, and add them up within each patient."""
    z = noise.normal(config.seed, f"gaps {dataset}", frame["key"].to_numpy(), 1)[:, 0]
    gaps = np.where(frame["study"] == 0, 0.0, np.exp(np.log(60) + 1.5 * z))
    days = pd.Series(np.minimum(gaps, 1500)).groupby(frame["patient"]).cumsum()
    return np.asarray(days, dtype=np.float64)
