"""Draws of settings from their ranges: the same number of them for every variant of a study."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import NonNegativeInt

from cxrfair.config import Section
from cxrfair.hashing import stable_hash
from cxrfair.ranges import Among, Between, Range
from cxrfair.studies import Tuned

DIGITS = 3  # significant ones of a drawn number: what is written down is what was used


class Drawing(Section):
    """One draw of one variant: its number, the search's seed, what is drawn, what is not.

    `settings` and `train` are what the variant sets itself.
    """

    draw: NonNegativeInt
    seed: NonNegativeInt
    tuned: tuple[Tuned, ...]
    settings: dict[str, Any]
    train: dict[str, Any]


def draw(
    drawing: Drawing, part: Tuned, place: str, ranges: Mapping[str, Range], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw the settings of one part that have a range and that the variant does not set itself.

    Draw 0 is what is set now. In any other, a number depends on nothing but the search's seed, the
    draw, the setting's name, its range and `place`: other variants, other settings and how many
    draws there are change nothing, and variants of one method draw alike.

    Parameters
    ----------
    place
        What the settings are of: the name of a method, or `train`, of which all variants draw the
        same.
    ranges
        By dotted name (of `ranges.within`).
    now
        The part as it is set, sections inside it as mappings.

    Returns
    -------
    dict
        Value by setting, nested as `now` is.
    """
    found: dict[str, Any] = {}
    if part not in drawing.tuned:
        return found
    for name in free(ranges, getattr(drawing, part)):
        *parents, last = name.split(".")
        into, value = found, now
        for parent in parents:
            into, value = into.setdefault(parent, {}), value[parent]
        into[last] = (
            value[last] if drawing.draw == 0 else _value(drawing, place, name, ranges[name])
        )
    return found


def free(ranges: Mapping[str, Range], own: Mapping[str, Any]) -> list[str]:
    """Name, dotted, the settings that a variant leaves to a search: `own` holds the others."""
    return [name for name in ranges if not _holds(own, name.split("."))]


def _holds(own: Any, path: list[str]) -> bool:
    """Tell whether nested settings hold a value at a path."""
    for key in path:
        if not isinstance(own, Mapping) or key not in own:
            return False
        own = own[key]
    return True


def _value(drawing: Drawing, place: str, name: str, entry: Range) -> Any:
    """Draw one value."""
    own = stable_hash("search", drawing.seed, place, name, drawing.draw)
    share = float(np.random.default_rng(own).random())
    if isinstance(entry, Among):
        return entry.values[int(share * len(entry.values))]
    return _whole(entry, share) if entry.whole else _number(entry, share)


def _number(entry: Between, share: float) -> float:
    """Return the number below which a share of a range's numbers lies, to a few digits."""
    if entry.log:
        value = entry.low * (entry.high / entry.low) ** share
    else:
        value = entry.low + share * (entry.high - entry.low)
    return min(max(float(f"{value:.{DIGITS}g}"), float(entry.low)), float(entry.high))


def _whole(entry: Between, share: float) -> int:
    """Return the same of whole numbers: each stands for the numbers from it to the next."""
    low, high = math.ceil(entry.low), math.floor(entry.high)
    last = high + 1
    value = low * (last / low) ** share if entry.log else low + share * (last - low)
    return min(int(value), high)
