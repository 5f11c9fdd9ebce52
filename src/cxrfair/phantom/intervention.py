"""do(S = s): the same people with their attributes set, along one path, the other, or both.

The noise is held: whoever is intervened upon keeps body, luck and appointments, so that each row
pairs with the factual one. What follows from a set attribute follows it (insurance goes with age).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class World:
    """What attributes are set to: `shown` along S -> X, `ill` along S -> Y; else as they are."""

    shown: Do = field(default_factory=dict)
    ill: Do = field(default_factory=dict)


FACTUAL = World()


def along(do: Do | None, path: Path = "total") -> World:
    """Return the world in which attributes are set along one path, or along both.

    Raises
    ------
    PhantomError
        If there is no such path.
    """
    if path not in get_args(Path):
        raise PhantomError(f"path: {path!r}; one of {', '.join(get_args(Path))}")
    set_to = do or {}
    return World({} if path == "indirect" else set_to, {} if path == "direct" else set_to)


def people(
    config: PhantomConfig, numbers: Keys, world: World = FACTUAL
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the people whose attributes make the pictures, and those whose make the disease.

    Both are `population.people` of the same numbers, each under its own half of the world.

    Raises
    ------
    PhantomError
        If an attribute or a value is none that there is.
    """
    for do in (world.shown, world.ill):
        check(do)
    shown = population.people(config, numbers, world.shown)
    alike = world.ill == world.shown
    return shown, shown if alike else population.people(config, numbers, world.ill)


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


def faults(effects: Mapping[str, tuple[str, str]]) -> list[str]:
    """List what is wrong with attributes and the two values (S-, S+) between which they are set.

    Age has no such pair: it is a number of years, and a group of it is not one age.
    """
    found = []
    for attribute, pair in effects.items():
        if attribute not in VALUES:
            found.append(f"effects: no attribute {attribute!r}; one of {', '.join(VALUES)}")
            continue
        allowed = ", ".join(VALUES[attribute])
        unknown = [value for value in pair if value not in VALUES[attribute]]
        found += [f"effects.{attribute}: {value!r}; one of {allowed}" for value in unknown]
        if pair[0] == pair[1]:
            found.append(f"effects.{attribute}: {pair[0]!r} twice; two of {allowed}")
    return found


def _check_age(value: str | float) -> None:
    """Refuse ages outside the population's."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not YOUNGEST <= float(value) < OLDEST:
        allowed = f"a number of years from {YOUNGEST} to below {OLDEST}"
        raise PhantomError(f"do.age_years: {value!r}; {allowed}")
