"""Group attributes by policy: which group a source's word or number falls into."""

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from cxrfair import tables
from cxrfair.cohort import CohortError

ATTRIBUTES = ("sex", "age", "race", "insurance")

RaceGrouping = Literal["seyyed_kalantari_2021"]

# By the part of MIMIC-IV's word before " - ": "WHITE - RUSSIAN" goes where "WHITE" goes.
RACE_GROUPS: Mapping[RaceGrouping, Mapping[str, str]] = {
    "seyyed_kalantari_2021": {
        "WHITE": "white",
        "PORTUGUESE": "white",
        "BLACK/AFRICAN AMERICAN": "black",
        "BLACK/CAPE VERDEAN": "black",
        "BLACK/CARIBBEAN ISLAND": "black",
        "BLACK/AFRICAN": "black",
        "HISPANIC OR LATINO": "hispanic or latino",
        "HISPANIC/LATINO": "hispanic or latino",
        "SOUTH AMERICAN": "hispanic or latino",
        "ASIAN": "asian",
        "AMERICAN INDIAN/ALASKA NATIVE": "american indian or alaska native",
        "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER": "other",
        "MULTIPLE RACE/ETHNICITY": "other",
        "OTHER": "other",
        "UNKNOWN": tables.UNKNOWN,
        "UNABLE TO OBTAIN": tables.UNKNOWN,
        "PATIENT DECLINED TO ANSWER": tables.UNKNOWN,
    },
}


def age_groups(age_years: pd.Series, cuts_years: Sequence[int]) -> pd.Series:
    """Name each age's bin, `0-20` for [0, 20) up to `80+`; an empty age is unknown.

    Raises
    ------
    CohortError
        If an age is negative.
    """
    if (age_years < 0).any():
        raise CohortError(f"records.age_years: {age_years.min()}; allowed: 0 or more, or empty")
    edges = [0, *cuts_years]
    names = [f"{low}-{high}" for low, high in zip(edges, edges[1:], strict=False)]
    binned = pd.cut(
        age_years, [*edges, float("inf")], right=False, labels=[*names, f"{edges[-1]}+"]
    )
    return binned.astype("str").fillna(tables.UNKNOWN)


def race_groups(race: pd.Series, grouping: RaceGrouping) -> pd.Series:
    """Name each race word's group; empty words and refusals are unknown, never `other`.

    Source: Seyyed-Kalantari et al. 2021, Nat Med 27, Methods; MIMIC-IV's words since v2 by their
    head (PORTUGUESE counts as white, SOUTH AMERICAN as hispanic or latino).

    Raises
    ------
    CohortError
        Naming each word that has no group.
    """
    known = RACE_GROUPS[grouping]
    group_of = {word: known.get(word.split(" - ")[0]) for word in race.dropna().unique()}
    if odd := sorted(word for word, group in group_of.items() if group is None):
        allowed = f"allowed: {', '.join(known)}, each also with ' - ' and a detail"
        raise CohortError(f"records.race: {odd}; {allowed}")
    return race.map(group_of).astype("str").fillna(tables.UNKNOWN)


def insurance_groups(insurance: pd.Series) -> pd.Series:
    """Name each insurance in lower case; empty is unknown."""
    return insurance.astype("str").str.lower().fillna(tables.UNKNOWN)
