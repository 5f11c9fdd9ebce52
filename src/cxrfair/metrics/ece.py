"""Expected calibration error, in ten bins of equal width."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics._metric import Array, Metric, ratio

BINS = 10


def ece(target: NDArray[np.int8], score: Array, weight: Array) -> Array:
    """Mean over images of |mean score - share of positives| in the bin an image falls into.

    Bins are (0, 0.1], ... (0.9, 1]; a score of 0 joins the first. Undefined without images.
    """
    place = np.clip(np.ceil(score * BINS) - 1, 0, BINS - 1).astype(int)
    excess = np.zeros(len(weight))
    for number in np.unique(place):
        inside = place == number
        distance = score[inside] - target[inside]
        excess += np.abs(np.einsum("bn,n->b", weight[:, inside], distance))
    return ratio(excess, weight.sum(axis=1))


METRIC = Metric(
    ece,
    needs="score",
    better="lower",
    title="ECE",
    source="Guo et al. 2017, Eq. 3, for the probability of the positive class",
    undefined="no images",
)
