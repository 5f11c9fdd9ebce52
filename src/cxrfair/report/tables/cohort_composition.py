"""Images, patients and positives in each group."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.composition import ANY
from cxrfair.report.tables._pivot import ordered
from cxrfair.tables import FOLDS

TITLE = "Cohort composition"
CAPTION = (
    "Images in each group, by fold; patients; and images positive for each label, over all folds, "
    "beside those left in doubt, where there are any. "
    "A patient imaged at several ages is counted in each age group."
)
SECTION = "cohort"
KEYS = ["dataset", "attribute", "group"]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set and group."""
    rows = study.composition
    counted = rows[rows["label"] == ANY]
    table = _total(counted, ["n", "n_patients"]).rename(columns={"n": "n_images"})
    for fold in FOLDS:
        of_fold = counted.loc[counted["fold"] == fold, [*KEYS, "n"]]
        table = table.merge(of_fold.rename(columns={"n": f"n_{fold}"}), on=KEYS, how="left")
    for label in study.study.labels:
        of_label = rows[rows["label"] == label]
        doubted = bool((of_label["n_uncertain"].isna() | (of_label["n_uncertain"] > 0)).any())
        counts = ["n_positive", *(["n_uncertain"] if doubted else [])]
        names = {name: name.replace("n_", f"{label}_", 1) for name in counts}
        table = table.merge(_total(of_label, counts).rename(columns=names), on=KEYS, how="left")
    return ordered(table, study)


def _total(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Add up folds, which share no patient; a hidden part hides the sum."""
    grouped = rows.groupby(KEYS, sort=False)[columns]
    whole = grouped.count() == grouped.size().to_numpy()[:, None]
    return grouped.sum().astype("Int64").where(whole).reset_index()
