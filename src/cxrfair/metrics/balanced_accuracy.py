"""Balanced accuracy: mean of the true positive and the true negative rate."""

from cxrfair.metrics._metric import Array, Counts, Metric, ratio


def balanced_accuracy(counts: Counts) -> Array:
    """Return (TPR + TNR) / 2; undefined unless both classes are there.

    scikit-learn drops a class that is not there; we do not, as that number would be a plain TPR.
    """
    positive, negative = counts.tp + counts.fn, counts.tn + counts.fp
    return (ratio(counts.tp, positive) + ratio(counts.tn, negative)) / 2


METRIC = Metric(
    balanced_accuracy,
    needs="counts",
    better="higher",
    title="Balanced accuracy",
    source="Brodersen et al. 2010, Eq. 1",
    undefined="needs a positive and a negative",
)
