"""How far accuracy and error rates spread over groups, and what became of it."""

import pandas as pd

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.rates import with_fnr
from cxrfair.report.tables._pivot import ordered
from cxrfair.statistics.cells import BETWEEN
from cxrfair.statistics.judgement import MEAN

TITLE = "Disparity"
CAPTION = (
    "Population standard deviation over the known groups of accuracy, of the false positive rate "
    "and of the false negative rate, for each label; then the mean over labels. Reduction: the "
    "share of the reference variant's by which it is less, on the same resampled patients; below 0 "
    "it has grown. Rates of few images spread by chance alone, so no disparity is 0, and those of "
    "resampled patients spread further: an interval may lie above its value. A group that lacks "
    "positives or negatives for a label is left out of that label. FNR is 1 - TPR and has its "
    "standard deviation."
)
SECTION = "fairness"
METRICS = ("accuracy_sd", "fpr_sd", "fnr_sd")
PARTS = {
    "value": "sd",
    "ci_low": "sd_low",
    "ci_high": "sd_high",
    "note": "sd_note",
    "reduction": "reduction",
    "reduction_low": "reduction_low",
    "reduction_high": "reduction_high",
}
KEYS = ["dataset", "attribute", "metric", "variant"]
NOT_APPLICABLE = "not applicable"  # leaves a cell blank


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, attribute, metric and variant, where SDs are asked for."""
    rows = with_fnr(study.summary)
    rows = rows[rows["group"].eq(BETWEEN) & rows["label"].eq(MEAN) & rows["metric"].isin(METRICS)]
    rows = ordered(rows, study)
    place = pd.DataFrame(
        {
            "block": rows.groupby(["dataset", "attribute"], sort=False).ngroup(),
            "metric": rows["metric"].map({name: i for i, name in enumerate(METRICS)}),
        }
    )
    rows = rows.loc[place.sort_values(["block", "metric"], kind="stable").index]
    own = rows["variant"] == study.study.reference
    table = rows[[*KEYS, *PARTS]].rename(columns=PARTS).reset_index(drop=True)
    said = rows["note"].mask(own, NOT_APPLICABLE).reset_index(drop=True)
    named = [metrics.title(metrics.split_name(name)[0]) for name in table["metric"]]
    return table.assign(metric=named, reduction_note=said)
