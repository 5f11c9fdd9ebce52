"""Positive predictive value (precision): share of the positive calls that are right."""

from cxrfair.metrics._metric import Metric, Rate

METRIC = Metric(
    Rate(part=lambda c: c.tp, whole=lambda c: c.tp + c.fp),
    needs="counts",
    better="higher",
    title="PPV",
    source="Altman & Bland 1994, BMJ 309:102",
    undefined="nothing called positive",
)
