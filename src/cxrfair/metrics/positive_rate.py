"""Share of the images that are called positive (demographic parity compares it)."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.tp + c.fp, whole=lambda c: c.tp + c.fp + c.tn + c.fn),
    needs="counts",
    better=None,
    title="Positive rate",
    source="Dwork et al. 2012, Section 3",
    undefined="no images",
)
