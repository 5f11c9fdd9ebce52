"""What the tables of MIMIC-IV and MIMIC-IV-ED share: words for race, and how times are written."""

from collections.abc import Iterable
from typing import Literal

import pandas as pd
import pandera.pandas as pandera

from cxrfair.datasets import _csv

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
SHAPE = r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?"
SECONDS = len("2180-05-06 22:23:00")
DAY = len("2180-05-06")
BY_DAY = "times of stays without a clock, taken as the first or last second of the day"
FRACTION = "times of stays with a fraction of a second, cut off"


def time(*, blank: bool = False) -> pandera.Column:
    """Describe a column of times of the source's own, shifted timeline, which has no zones."""
    says = "a time YYYY-MM-DD HH:MM:SS or a date, without a time zone"
    return _csv.cells(_is_time, says, blank=blank)


def begins(text: pd.Series) -> pd.Series:
    """Turn checked text into times of whole seconds; a date is its first second."""
    return _parsed(text, " 00:00:00", "raise")


def ends(text: pd.Series) -> pd.Series:
    """Turn checked text into times of whole seconds; a date is its last second."""
    return _parsed(text, " 23:59:59", "raise")


def odd_times(texts: Iterable[pd.Series]) -> dict[str, int]:
    """Count the cells that are dates, and those with a fraction of a second."""
    lengths = [text.str.len() for text in texts]
    return {
        BY_DAY: sum(int((length == DAY).sum()) for length in lengths),
        FRACTION: sum(int((length > SECONDS).sum()) for length in lengths),
    }


def some(notes: dict[str, int]) -> dict[str, int]:
    """Return the rules that met a row."""
    return {rule: n for rule, n in notes.items() if n}


def _is_time(text: pd.Series) -> pd.Series:
    """Tell which cells are a time that exists."""
    shaped = text.str.fullmatch(SHAPE)
    return shaped & _parsed(text.where(shaped), " 00:00:00", "coerce").notna()


def _parsed(text: pd.Series, clock: str, errors: Literal["raise", "coerce"]) -> pd.Series:
    """Turn text into times of whole seconds; `clock` completes a date."""
    filled = text.where(text.str.len() != DAY, text + clock).str[:SECONDS]
    return pd.to_datetime(filled, format="%Y-%m-%d %H:%M:%S", errors=errors).dt.as_unit("s")
