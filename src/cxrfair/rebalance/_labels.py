"""Balance of labels that images have several of: exchanges of images, best first."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxrfair.rebalance._targets import Aim, Way, wanted

MOST_COPIES = 100  # of an image
FIRST, LOOKED_AT = 16, 256  # kinds to add and to remove that are tried, best first

Counts = NDArray[np.int64]


class _Search(NamedTuple):
    """What exchanges are made of: kinds of images by which labels are positive, and bounds.

    A kind beyond the last stands for no image: nothing is added, or nothing removed.
    """

    patterns: NDArray[np.float64]  # (p + 1, l) of 0 and 1
    codes: Counts  # (p + 1,) the same as bits
    n: Counts  # (p + 1,) images
    target: Counts  # (l,) positives wanted
    low: Counts  # (l,) positives that a label never falls below
    high: Counts
    way: Way

    def best(self, held: Counts, most: Counts, off: Counts) -> tuple[int, int] | None:
        """Find the exchange (kind to add, kind to remove) that brings labels nearest.

        First among kinds that can be added, and removed, whatever the other one is. `off` is how
        far positives are over their targets.
        """
        score = self.patterns @ off.astype(np.float64)
        full, spent = (_bits(off + self.target == end) for end in (self.high, self.low))
        nothing = np.arange(len(held)) == len(held) - 1
        may_add = nothing if self.way == "down" else (held < most) & ~nothing
        may_drop = nothing if self.way == "up" else (held > 1) & ~nothing
        free = self.codes & full == 0, self.codes & spent == 0
        for these, some in ((free, FIRST), ((True, True), LOOKED_AT)):
            add = _least(score, may_add & these[0], some)
            drop = _least(-score, may_drop & these[1], some)
            if found := self._among(add, drop, score, (full, spent)):
                return found
        return None

    def _among(
        self, add: Counts, drop: Counts, score: NDArray[np.float64], bounds: tuple[int, int]
    ) -> tuple[int, int] | None:
        """Find the best exchange of these kinds; None if none brings labels nearer."""
        if not len(add) or not len(drop):
            return None
        come, gone = self.codes[add][:, None], self.codes[drop][None, :]
        # of the sum over labels of (positives - target)^2
        change = 2 * (score[add][:, None] - score[drop][None, :]) + np.bitwise_count(come ^ gone)
        full, spent = bounds  # labels that must not gain, and must not lose
        change[((come & ~gone & full) | (gone & ~come & spent)) != 0] = 0
        k, m = np.unravel_index(np.argmin(change), change.shape)
        return (int(add[k]), int(drop[m])) if change[k, m] < 0 else None

    def times(self, pair: tuple[int, int], held: Counts, most: Counts, off: Counts) -> int:
        """Count how often an exchange can be made before it does harm or meets a bound."""
        add, drop = pair
        step = self.step(pair)
        useful = max(1, int(-(step @ off) // (step @ step)))
        gap = np.where(step > 0, self.high - self.target - off, off + self.target - self.low)
        there = (most[add] - held[add], held[drop] - 1)
        nothing = len(held) - 1
        stock = [int(s) for kind, s in zip(pair, there, strict=True) if kind != nothing]
        return min(useful, int(gap[step != 0].min()), *stock)

    def step(self, pair: tuple[int, int]) -> Counts:
        """Return what an exchange changes in each label's positives."""
        add, drop = self.patterns[list(pair)]
        return np.asarray(add - drop, dtype=np.int64)


def _least(score: NDArray[np.float64], allowed: NDArray[np.bool_], most: int) -> Counts:
    """List the allowed kinds with the lowest scores."""
    kinds = np.flatnonzero(allowed)
    if len(kinds) <= most:
        return kinds
    return kinds[np.sort(np.argpartition(score[kinds], most)[:most])]


def _bits(labels: NDArray[np.bool_]) -> int:
    """Write flags of labels as one number."""
    return int((1 << np.flatnonzero(labels)).sum())


def label_sizes(patterns: NDArray[np.bool_], n: Counts, aim: Aim, way: Way) -> Counts:
    """Return how many images of each kind to have, so that labels' positives near their target.

    Targets are `wanted` of the labels' positives. The exchange of one image for another that most
    lowers the sum over labels of (positives - target)^2 is made as often as it helps, then the
    next, until none helps. No exchange brings a label outside the range from what it had to its
    target: no label moves the wrong way or beyond. Both ways, one image is added for each removed:
    the total is kept, mostly by images without any of the labels, and prevalences move as counts
    do. One way alone, images are only removed or only added, and it is counts that never move the
    wrong way. Every kind keeps an image. Images are copied twice only where copying all once does
    not get nearer, and so on, each at most 100 times. Labels always found together cannot be
    brought apart; the result is then as near as exchanges get.

    Parameters
    ----------
    patterns
        (p, l): which labels are positive in the kind; kinds differ.
    n
        (p,): images of each kind, at least 1.
    """
    search = _search(patterns, n, aim, way)
    held, copies = search.n.copy(), 1
    off = n @ patterns.astype(np.int64) - search.target
    while copies <= MOST_COPIES and off.any():
        most = search.n * (1 + copies)
        pair = search.best(held, most, off)
        if pair is None:
            copies += 1
            continue
        times = search.times(pair, held, most, off)
        held[pair[0]] += times
        held[pair[1]] -= times
        held[-1] = 0
        off += times * search.step(pair)
    return held[:-1]


def _search(patterns: NDArray[np.bool_], n: Counts, aim: Aim, way: Way) -> _Search:
    """Add the kind that is no image, and find targets and bounds."""
    nothing = np.zeros((1, patterns.shape[1]), dtype=np.int64)
    kinds = np.concatenate([patterns.astype(np.int64), nothing])
    positives = n @ patterns.astype(np.int64)
    target = positives.copy()  # a label without positives stays so
    target[positives > 0] = wanted(positives[positives > 0], aim, way)
    return _Search(
        patterns=kinds.astype(np.float64),
        codes=kinds @ (1 << np.arange(kinds.shape[1], dtype=np.int64)),
        n=np.append(n, 0),
        target=target,
        low=np.minimum(positives, target),
        high=np.maximum(positives, target),
        way=way,
    )
