"""False negative rate: share of the positives that are called negative."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.fn, whole=lambda c: c.fn + c.tp),
    needs="counts",
    better="lower",
    title="FNR",
    source="Seyyed-Kalantari et al. 2021, Nat. Med. 27:2176",
    undefined="no positives",
)
