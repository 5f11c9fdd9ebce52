"""Group attributes by policy: which group a source's word or number falls into."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from cxrfair import tables
from cxrfair.cohort import CohortError

ATTRIBUTES = ("sex", "age", "race", "insurance")

RaceGrouping = Literal["seyyed_kalantari_2021", "white_or_not"]

# By the part of MIMIC-IV's word before " - ": "WHITE - RUSSIAN" goes where "WHITE" goes.
RACE_GROUPS: Mapping[str, str] = {
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
}

# What other sources' words are recognised by (CheXpert, TCGA), as whole words in any case:
# "Caucasian" holds "asian" but is not Asian.
RACE_PATTERNS: Mapping[str, str] = {
    "white": r"white|caucasian",
    "black": r"black",
    "asian": r"asian",
    "american indian or alaska native": r"american indian|alaska native|native american",
    "other": r"native hawaiian|pacific islander|multiple|other",
}
WHITE, NON_WHITE = "white", "non-white"
HISPANIC = "hispanic or latino"
_NOT_HISPANIC = re.compile(r"\bno[nt][- ]hispanic( or latino|/non-latino)?\b", re.IGNORECASE)
_IS_HISPANIC = re.compile(r"\b(hispanic|latino)\b", re.IGNORECASE)
_IS_UNKNOWN = re.compile(r"\b(unknown|refused|declined|not (reported|allowed))\b", re.IGNORECASE)


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
    head (PORTUGUESE counts as white, SOUTH AMERICAN as hispanic or latino). Words of other sources
    by what they hold: who is said to be Hispanic is so whatever his race, as in MIMIC-IV, and words
    of several groups are other, as MIMIC-IV's MULTIPLE RACE/ETHNICITY. With `white_or_not` all
    known groups but white are one, as in Fair class-balanced fine-tuning, Table 1.

    Raises
    ------
    CohortError
        Naming each word that has no group.
    """
    group_of = {word: _race_group(str(word)) for word in race.dropna().unique()}
    if odd := sorted(word for word, group in group_of.items() if group is None):
        known, patterns = ", ".join(RACE_GROUPS), ", ".join(RACE_PATTERNS)
        allowed = f"allowed: {known}, each also with ' - ' and a detail, and words for {patterns}"
        raise CohortError(f"records.race: {odd}; {allowed}")
    named = race.map(group_of).astype("str").fillna(tables.UNKNOWN)
    if grouping == "white_or_not":
        named = named.where(named.isin([WHITE, tables.UNKNOWN]), NON_WHITE)
    return named


def _race_group(word: str) -> str | None:
    """Return the group of one word; None if it has none."""
    known = RACE_GROUPS.get(word.partition(" - ")[0])
    if known is not None:
        return known
    if _IS_HISPANIC.search(_NOT_HISPANIC.sub("", word)):
        return HISPANIC
    if _IS_UNKNOWN.search(word):
        return tables.UNKNOWN
    patterns = RACE_PATTERNS.items()
    found = [group for group, p in patterns if re.search(rf"\b({p})\b", word, re.IGNORECASE)]
    if found:
        return found[0] if len(found) == 1 else "other"
    return None


def insurance_groups(insurance: pd.Series) -> pd.Series:
    """Name each insurance in lower case; empty is unknown."""
    return insurance.astype("str").str.lower().fillna(tables.UNKNOWN)
