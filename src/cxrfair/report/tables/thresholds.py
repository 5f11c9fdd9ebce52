"""Where scores become decisions."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables._pivot import ordered

TITLE = "Thresholds"
CAPTION = (
    "The score from which an image is called positive, for each model; fitted on the validation "
    "fold, with the images and positives it was fitted on, or set beforehand. Where groups have "
    "thresholds of their own, the share of a group's images that each of them decides, drawn "
    "whatever the score: \N{INFINITY} calls none of them positive, \N{MINUS SIGN}\N{INFINITY} all; "
    "images of other groups are decided by that of all."
)
SECTION = "overall"


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label, group, variant, seed and part of a group's thresholds."""
    rows = ordered(study.thresholds.sort_values(["seed", "part"]), study)
    columns = ["dataset", "label", "group", "variant", "seed", "value", "share", "rule"]
    return rows[[*columns, "fitted_on", "n", "n_positive", "note"]]
