"""True negative rate (specificity): share of the negatives that are called negative."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.tn, whole=lambda c: c.tn + c.fp),
    needs="counts",
    better="higher",
    title="TNR",
    source="Altman & Bland 1994, BMJ 308:1552",
    undefined="no negatives",
)
