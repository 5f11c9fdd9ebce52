"""Area under the ROC curve."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics._metric import Array, Metric, ratio


def auroc(target: NDArray[np.int8], score: Array, weight: Array) -> Array:
    """Chance that a random positive outscores a random negative, ties counting one half.

    One sort serves all weightings: each positive looks up the weight of the negatives below it.
    Undefined unless a positive and a negative have weight.
    """
    negative = np.flatnonzero(target == 0)
    negative = negative[np.argsort(score[negative], kind="stable")]
    positive = np.flatnonzero(target == 1)
    below = np.zeros((len(weight), len(negative) + 1))
    np.cumsum(weight[:, negative], axis=1, out=below[:, 1:])
    lower = below[:, np.searchsorted(score[negative], score[positive], side="left")]
    upper = below[:, np.searchsorted(score[negative], score[positive], side="right")]
    chances = weight[:, positive]
    won = np.einsum("bp,bp->b", chances, lower + upper) / 2
    return ratio(won, chances.sum(axis=1) * below[:, -1])


METRIC = Metric(
    auroc,
    needs="score",
    better="higher",
    title="AUROC",
    source="Hanley & McNeil 1982, Eq. 1",
    undefined="needs a positive and a negative",
)
