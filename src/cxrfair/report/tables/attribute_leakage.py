"""How well a linear probe tells the groups apart by each variant's features."""

import pandas as pd

from cxrfair.report._results import StudyResults, in_order
from cxrfair.report.tables import _pivot as pivot

TITLE = "What features say of groups"
CAPTION = (
    "AUROC of a linear probe for a group on frozen features, fitted on training images and judged "
    "on test images: each group against all others, and the mean over groups; 0.5 is chance. "
    "Among the images of one label value, mean over groups: what features say of the group beyond "
    "the disease. Mean over seeds; the range is from the lowest to the highest end of the seeds' "
    "intervals. That features tell groups apart does not show that predictions use it."
)
SECTION = "leakage"
FOLD, BETWEEN, MEAN = "test", "between", "mean over groups"
WITHIN = ("all", "positive", "negative")
KEYS = ["dataset", "attribute", "group", "label", "within", "variant"]
COLUMNS = [
    *("dataset", "attribute", "group", "label", "within", "n", "n_patients", "variant"),
    *("auroc", "auroc_low", "auroc_high", "auroc_note", "seed_sd", "seed_sd_note"),
]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, attribute, group, kind of images and variant.

    Groups one by one over all images alone; within label values their mean.
    """
    rows = study.attribute_leakage
    shown = (rows["label"] == "any") | (rows["group"] == BETWEEN)
    rows = rows[(rows["fold"] == FOLD) & rows["attribute"].isin(study.study.attributes) & shown]
    found = rows.groupby(KEYS, as_index=False, sort=False).agg(
        n=("n", "first"),
        n_patients=("n_patients", "first"),
        auroc=("value", "mean"),
        auroc_low=("ci_low", "min"),
        auroc_high=("ci_high", "max"),
        auroc_note=("note", pivot.said),
        seed_sd=("value", "std"),
    )
    why = found["auroc_note"].where(found["auroc"].isna(), pivot.ONE_SEED)
    found["seed_sd_note"] = why.where(found["seed_sd"].isna())
    return _ordered(found, study)[COLUMNS].replace({"group": {BETWEEN: MEAN}})


def _ordered(rows: pd.DataFrame, study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists things; means before groups, all images before some."""
    known = {
        "dataset": study.study.datasets,
        "attribute": study.study.attributes,
        "group": (BETWEEN, *in_order(set(rows["group"]) - {BETWEEN})),
        "label": ("any", *study.study.labels),
        "within": WITHIN,
        "variant": tuple(study.study.variants),
    }
    return pivot.arranged(rows, known)
