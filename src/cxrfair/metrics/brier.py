"""Brier score: mean squared distance of score and truth."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics._metric import Array, Metric, ratio


def brier(target: NDArray[np.int8], score: Array, weight: Array) -> Array:
    """Return the mean of (score - target)^2; undefined without images."""
    return ratio(np.einsum("bn,n->b", weight, (score - target) ** 2), weight.sum(axis=1))


METRIC = Metric(
    brier,
    needs="score",
    better="lower",
    title="Brier score",
    source="Brier 1950, Eq. 2 (one class of the two)",
    undefined="no images",
)
