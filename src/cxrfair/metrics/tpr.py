"""True positive rate (sensitivity): share of the positives that are called positive."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.tp, whole=lambda c: c.tp + c.fn),
    needs="counts",
    better="higher",
    title="TPR",
    source="Hardt et al. 2016, Definition 2.2",
    undefined="no positives",
)
