"""How much of where each variant looks lies inside the findings of test images."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables import _pivot as pivot

TITLE = "Where networks look, and where the findings are"
CAPTION = (
    "Of the patches a network looks at (those with the largest relevance, attention or class "
    "activation; selected ones, where it selects), the share of the area inside the outlines of "
    "the image's findings: mean over the test images with an outline, of any finding or of one. "
    "Beside it the difference from the reference variant on the same resampled patients. Anywhere: "
    "the share of those images that is outlined, which looking at random would give. Elsewhere: "
    "what the network would reach if it looked where it looks in the other images; what exceeds it "
    "follows the image. Lift: share inside over anywhere. Mean over seeds; ranges are from the "
    "lowest to the highest end of the seeds' intervals. A patch outside an outline is not wrong as "
    "such: labels are of whole images, a shadow reaches beyond its outline, and the absence of a "
    "finding is nowhere in particular. Support devices are no finding."
)
SECTION = "looks"
ANY, ANY_FINDING = "any", "any finding"
KEYS = ["dataset", "label", "variant"]
COLUMNS = [
    *(*KEYS[:2], "n", "n_patients", "variant", "looked_at"),
    *("inside", "inside_low", "inside_high"),
    *("inside_difference", "inside_difference_low", "inside_difference_high", "inside_note"),
    *("anywhere", "anywhere_note", "elsewhere", "elsewhere_note"),
    *("lift", "lift_low", "lift_high", "lift_note", "seed_sd", "seed_sd_note"),
]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, finding and variant that maps were drawn of."""
    found = study.localisation.groupby(KEYS, as_index=False, sort=False).agg(
        n=("n", "first"),
        n_patients=("n_patients", "first"),
        looked_at=("looked_at", "mean"),
        inside=("value", "mean"),
        inside_low=("ci_low", "min"),
        inside_high=("ci_high", "max"),
        inside_difference=("difference", "mean"),
        inside_difference_low=("difference_low", "min"),
        inside_difference_high=("difference_high", "max"),
        inside_note=("note", pivot.said),
        anywhere=("expected", "mean"),
        elsewhere=("elsewhere", "mean"),
        lift=("lift", "mean"),
        lift_low=("lift_low", "min"),
        lift_high=("lift_high", "max"),
        seed_sd=("value", "std"),
    )
    for name in ("anywhere", "elsewhere", "lift"):
        found[f"{name}_note"] = found["inside_note"].where(found[name].isna())
    why = found["inside_note"].where(found["inside"].isna(), pivot.ONE_SEED)
    found["seed_sd_note"] = why.where(found["seed_sd"].isna())
    return _ordered(found, study)[COLUMNS].replace({"label": {ANY: ANY_FINDING}})


def _ordered(rows: pd.DataFrame, study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists data sets and variants, findings by their names."""
    known = {
        "dataset": study.study.datasets,
        "label": (ANY, *sorted(set(rows["label"]) - {ANY})),
        "variant": tuple(study.study.variants),
    }
    return pivot.arranged(rows, known)
