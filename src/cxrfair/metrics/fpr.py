"""False positive rate: share of the negatives that are called positive."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.fp, whole=lambda c: c.fp + c.tn),
    needs="counts",
    better="lower",
    title="FPR",
    source="Hardt et al. 2016, Definition 2.1; "
    "of No Finding: underdiagnosis, Seyyed-Kalantari et al. 2021",
    undefined="no negatives",
)
