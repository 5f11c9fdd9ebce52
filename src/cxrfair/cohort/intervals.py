"""Which interval of time contains a moment, or lies nearest to it, person by person."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What was found for each of n moments.

    `inside` and `nearest` (shape (n,), int64) are rows of the intervals, -1 where there is none;
    `seconds` (shape (n,), float64) is the gap to the nearest, 0 inside it, NaN where there is none;
    `n_inside` (shape (n,), int64) is the number of intervals that contain the moment.
    """

    inside: Numbers
    nearest: Numbers
    seconds: NDArray[np.float64]
    n_inside: Numbers


def search(moments: pd.DataFrame, stays: pd.DataFrame) -> Found:
    """Look up each image's time among its patient's stays, in O((n + m) log m).

    Of several stays that contain it, the one that ends last is taken (of those, the first to
    start); of two equally near, the earlier; of stays with the same times, the one whose identifier
    comes first. A stay without an end, or that ends before it starts, is a moment. The order of the
    rows does not matter.

    Parameters
    ----------
    moments
        person (a number, 0 or more), acquired_at (may be missing: then nothing is found).
    stays
        person, stay_id, starts_at, ends_at (may be missing).
    """
    timed = moments["acquired_at"].notna().to_numpy()
    person = np.where(timed, moments["person"], -1)
    if stays.empty or not timed.any():
        nothing = np.full(len(moments), -1)
        return Found(nothing, nothing, np.full(len(moments), np.nan), np.zeros_like(nothing))
    owner = stays["person"].to_numpy(np.int64)
    start = _seconds(stays["starts_at"])
    end = np.maximum(_seconds(stays["ends_at"].fillna(stays["starts_at"])), start)
    at = np.where(timed, _seconds(moments["acquired_at"]), start[0])
    # One axis for everybody: each person has a stretch that no other person's times reach into.
    first = min(start.min(), at.min())
    stretch = max(end.max(), at.max()) - first + 1
    start, end = (owner * stretch + times - first for times in (start, end))
    order = _order(start, end, stays["stay_id"])
    found = _search(person, person * stretch + at - first, owner[order], start[order], end[order])
    inside, nearest = (np.where(row < 0, -1, order[row]) for row in (found.inside, found.nearest))
    return replace(found, inside=inside, nearest=nearest)


def _search(person: Numbers, at: Numbers, owner: Numbers, start: Numbers, end: Numbers) -> Found:
    """Search on the common axis, the stays being in order."""
    longest = _latest_end_so_far(end)
    after = np.searchsorted(start, at, side="right")  # stays [0, after) have started by then
    following = np.minimum(after, len(start) - 1)
    before = longest[after - 1]
    none = np.iinfo(np.int64).max
    has_before = (after > 0) & (owner[before] == person)
    has_after = (after < len(start)) & (owner[following] == person)
    gap_before = np.where(has_before, np.maximum(at - end[before], 0), none)
    gap_after = np.where(has_after, start[following] - at, none)
    gap = np.minimum(gap_before, gap_after)
    nearest = np.where(gap_before <= gap_after, before, following)
    return Found(
        inside=np.where(gap_before == 0, before, -1),
        nearest=np.where(gap < none, nearest, -1),
        seconds=np.where(gap < none, gap, np.nan),
        # Everybody else's stays have both begun and ended by then, or neither.
        n_inside=after - np.searchsorted(np.sort(end), at, side="left"),
    )


def _order(start: Numbers, end: Numbers, names: pd.Series) -> Numbers:
    """Sort by start, then end, then name; names are long words, so only those of equals count."""
    order = np.lexsort((end, start))
    twin = (np.diff(start[order]) == 0) & (np.diff(end[order]) == 0)
    equals = order[np.r_[twin, False] | np.r_[False, twin]]
    rank = np.zeros(len(start), np.int64)
    rank[equals] = pd.factorize(names.iloc[equals], sort=True)[0]
    return np.lexsort((rank, end, start)) if len(equals) else order


def _latest_end_so_far(end: Numbers) -> Numbers:
    """Return, for each position, where the latest end up to it stands (the first, if several)."""
    position = np.arange(len(end))
    top = np.maximum.accumulate(end)
    is_new = np.r_[True, end[1:] > top[:-1]]
    return np.maximum.accumulate(np.where(is_new, position, 0))


def _seconds(times: pd.Series) -> Numbers:
    """Return whole seconds since 1970; meaningless where the time is missing."""
    return times.to_numpy(dtype="datetime64[s]").astype(np.int64)
