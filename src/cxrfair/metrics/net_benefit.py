"""Net benefit of deciding at the threshold: true positives, less what false ones cost."""

import numpy as np

from cxrfair.metrics._metric import Array, Counts, Metric, ratio


def net_benefit(counts: Counts) -> Array:
    """Return TP/n - FP/n * t / (1 - t), in true positives an image.

    A threshold t says that a false positive is worth t / (1 - t) of a true one. Undefined without
    images, unless t is a chance below 1, and for a model whose groups have thresholds of their own:
    they say no one worth.
    """
    whole = counts.tp + counts.fp + counts.tn + counts.fn
    chance = np.where((counts.threshold >= 0) & (counts.threshold < 1), counts.threshold, np.nan)
    return ratio(counts.tp - counts.fp * (chance / (1 - chance)), whole)


METRIC = Metric(
    net_benefit,
    needs="counts",
    better="higher",
    title="Net benefit",
    source="Vickers & Elkin 2006, Eq. 1",
    undefined="no images, several thresholds, or one of 1 or more",
)
