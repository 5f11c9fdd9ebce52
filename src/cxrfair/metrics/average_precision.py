"""Average precision: the area under the precision-recall curve, without interpolation."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics._metric import Array, Metric, ratio


def average_precision(target: NDArray[np.int8], score: Array, weight: Array) -> Array:
    """Mean over the positives of the precision among images scored at least as high.

    One sort serves all weightings. Undefined without positives (scikit-learn says 0 there).
    """
    order = np.argsort(-score, kind="stable")
    ranked, falling = weight[:, order], -score[order]
    positive = np.flatnonzero(target[order] == 1)
    last_tied = np.searchsorted(falling, falling[positive], side="right") - 1
    flagged = np.cumsum(ranked, axis=1)[:, last_tied]
    ranked[:, target[order] == 0] = 0.0
    right = np.cumsum(ranked, axis=1)[:, last_tied]
    chances = ranked[:, positive]
    precision = np.divide(right, flagged, out=np.zeros_like(right), where=flagged > 0)
    return ratio(np.einsum("bp,bp->b", chances, precision), chances.sum(axis=1))


METRIC = Metric(
    average_precision,
    needs="score",
    better="higher",
    title="Average precision",
    source="Davis & Goadrich 2006; sum over thresholds of (R_i - R_{i-1}) P_i",
    undefined="no positives",
)
