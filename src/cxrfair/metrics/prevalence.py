"""Prevalence: share of the images that are positive."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics._metric import Array, Metric, ratio


def prevalence(target: NDArray[np.int8], score: Array, weight: Array) -> Array:
    """Return the share of positives; the scores are not looked at. Undefined without images."""
    del score
    return ratio(np.einsum("bn,n->b", weight, target.astype(float)), weight.sum(axis=1))


METRIC = Metric(
    prevalence,
    needs="score",
    better=None,
    title="Prevalence",
    source="Rothman, Modern Epidemiology, 3rd ed., Chapter 3",
    undefined="no images",
)
