"""Each variant on all test images."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables._pivot import by_metric, ordered

TITLE = "Overall performance"
CAPTION = (
    "Mean over seeds on all test images, with interval, and the difference from the reference "
    "variant on the same resampled patients. Label mean: the mean over labels."
)
SECTION = "overall"


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label and variant."""
    rows = ordered(study.summary[study.summary["attribute"] == "all"], study)
    keys = ["dataset", "label", "n", "n_positive", "n_patients", "variant"]
    parts = ["value", "ci_low", "ci_high", "difference", "difference_low", "difference_high"]
    return by_metric(rows, keys, [*parts, "note"])
