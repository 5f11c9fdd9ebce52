"""Share of the images that are called right."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.tp + c.tn, whole=lambda c: c.tp + c.fp + c.tn + c.fn),
    needs="counts",
    better="higher",
    title="Accuracy",
    source="Sokolova & Lapalme 2009, Table 3",
    undefined="no images",
)
