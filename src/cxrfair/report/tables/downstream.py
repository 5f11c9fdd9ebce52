"""How well heads for other labels do on each variant's frozen features."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables import _pivot as pivot

TITLE = "Heads for other labels"
CAPTION = (
    "The network of each variant frozen, a linear head fitted anew on training images for each of "
    "several labels, its threshold on validation images; on test images, with the difference from "
    "the reference variant on the same resampled patients. Always no: the accuracy of calling no "
    "image positive, which an accuracy is to be held against; the threshold follows the study's "
    "rule, which need not aim at accuracy. Mean over seeds; ranges are from the lowest to the "
    "highest end of the seeds' intervals. Variants that deploy the network of another one differ "
    "from it in the pictures it is shown alone."
)
SECTION = "downstream"
KEYS = ["dataset", "label", "variant", "metric"]
METRICS = ("auroc", "accuracy", "always_no", "balanced_accuracy")
PARTS = ("value", "ci_low", "ci_high", "difference", "difference_low", "difference_high", "note")


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label and variant."""
    found = study.downstream.groupby(KEYS, as_index=False, sort=False).agg(
        n=("n", "first"),
        n_positive=("n_positive", "first"),
        n_patients=("n_patients", "first"),
        value=("value", "mean"),
        ci_low=("ci_low", "min"),
        ci_high=("ci_high", "max"),
        difference=("difference", "mean"),
        difference_low=("difference_low", "min"),
        difference_high=("difference_high", "max"),
        note=("note", pivot.said),
    )
    same = found["metric"] == "always_no"  # of every variant
    found.loc[same, ["difference", "difference_low", "difference_high"]] = float("nan")
    known = {
        "dataset": study.study.datasets,
        "label": study.study.downstream,
        "variant": tuple(study.study.variants),
        "metric": METRICS,
    }
    keys = ["dataset", "label", "n", "n_positive", "n_patients", "variant"]
    return pivot.by_metric(pivot.arranged(found, known), keys, PARTS)
