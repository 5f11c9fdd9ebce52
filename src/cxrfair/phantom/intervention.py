"""do(S = s): the same people with one of their attributes set, along one path or along all.

The noise is held: whoever is intervened upon keeps body, luck and appointments, so that each row
pairs with the factual one. What follows from a set attribute follows it (insurance goes with age).
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd

from cxrfair.phantom import population
from cxrfair.phantom.config import INSURANCES, RACES, SEXES, PhantomConfig
from cxrfair.phantom.noise import Keys, PhantomError

Do = Mapping[str, str | float]
Path = Literal["direct", "indirect", "total"]

VALUES: Mapping[str, tuple[str, ...]] = {"sex": SEXES, "race": RACES, "insurance": INSURANCES}
YOUNGEST, OLDEST = population.AGE_BINS[0][0], population.AGE_BINS[-1][1]  # years, [low, high)


def people(
    config: PhantomConfig, numbers: Keys, do: Do | None = None, path: Path = "total"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the people whose attributes make the pictures, and those whose make the disease.

    Both are `population.people` of the same numbers; an intervention along the `direct` path sets
    the attributes of the first only, one along the `indirect` path those of the second only.

    Raises
    ------
    PhantomError
        If an attribute, a value or a path is none that there is.
    """
    factual = population.people(config, numbers)
    if path not in get_args(Path):
        raise PhantomError(f"path: {path!r}; one of {', '.join(get_args(Path))}")
    if not do:
        return factual, factual
    check(do)
    changed = population.people(config, numbers, do)
    return (factual if path == "indirect" else changed), (factual if path == "direct" else changed)


def check(do: Do) -> None:
    """Refuse attributes and values that there are none of.

    Raises
    ------
    PhantomError
        Naming the attribute, the value and what is allowed.
    """
    if unknown := sorted({*do} - {*VALUES, "age_years"}):
        allowed = ", ".join((*VALUES, "age_years"))
        raise PhantomError(f"do: no attribute {', '.join(unknown)}; one of {allowed}")
    for attribute in VALUES.keys() & do.keys():
        if do[attribute] not in VALUES[attribute]:
            allowed = ", ".join(VALUES[attribute])
            raise PhantomError(f"do.{attribute}: {do[attribute]!r}; one of {allowed}")
    if "age_years" in do:
        _check_age(do["age_years"])


def _check_age(value: str | float) -> None:
    """Refuse ages outside the population's."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not YOUNGEST <= float(value) < OLDEST:
        allowed = f"a number of years from {YOUNGEST} to below {OLDEST}"
        raise PhantomError(f"do.age_years: {value!r}; {allowed}")
