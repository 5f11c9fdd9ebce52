"""F1: harmonic mean of PPV and TPR."""

from cxrfair.metrics._metric import Array, Counts, Metric, ratio


def f1(counts: Counts) -> Array:
    """Return 2 TP / (2 TP + FP + FN).

    Undefined where nothing is positive and nothing is called so (scikit-learn says 0 there).
    """
    return ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


METRIC = Metric(
    f1,
    needs="counts",
    better="higher",
    title="F1",
    source="van Rijsbergen 1979, Chapter 7",
    undefined="no positives and nothing called positive",
)
