"""What a metric is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Weighted confusion matrices: four arrays of one shape, one entry a matrix."""

    tp: Array
    fp: Array
    tn: Array
    fn: Array


@dataclass(frozen=True)
class Metric:
    """A number for one group of images, NaN where it is undefined: never a stand-in such as 0.

    Attributes
    ----------
    compute
        With `needs="counts"`: `compute(counts)` gives an array of the shape of `counts`.
        With `needs="score"`: `compute(target, score, weight)` takes 0/1 labels (n,), scores in
        [0, 1] (n,) and weights (b, n), and gives (b,): one value for each weighting.
    better
        The direction that leaves a group better off; None where neither does.
    undefined
        When there is no value, as a note beside it.
    """

    compute: Callable[..., Array]
    needs: Literal["score", "counts"]
    better: Literal["higher", "lower"] | None
    title: str
    source: str
    undefined: str


@dataclass(frozen=True)
class Rate:
    """A share of images: `part / whole` of a confusion matrix."""

    part: Callable[[Counts], Array]
    whole: Callable[[Counts], Array]

    def __call__(self, counts: Counts) -> Array:
        """Return the share; NaN where the denominator is empty."""
        return ratio(self.part(counts), self.whole(counts))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator is positive; NaN elsewhere."""
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, float), np.asarray(denominator, float)
    )
    empty = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=empty, where=denominator > 0)
    return empty
