"""Rows of SUMMARY, with one column (and its interval) for each metric."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cxrfair.report._results import StudyResults, in_order

COMPARISONS = {  # forms that give one number for all groups, as readers know them
    "gap": "gap",
    "ratio": "ratio",
    "sd": "SD over groups",
    "worst": "worst group",
    "mean": "mean over groups",
}
ONE_SEED = "defined for one seed alone"
ENDINGS = {
    "value": "",
    "ci_low": "_low",
    "ci_high": "_high",
    "difference": "_difference",
    "difference_low": "_difference_low",
    "difference_high": "_difference_high",
    "note": "_note",
}


def by_metric(rows: pd.DataFrame, keys: Sequence[str], parts: Sequence[str]) -> pd.DataFrame:
    """Set metrics side by side, in the order in which they first appear.

    Parameters
    ----------
    rows
        Rows of SUMMARY; their order is kept.
    keys
        Columns that name a row of the result.
    parts
        Columns of SUMMARY to show of each metric: `value` becomes `auroc`, `ci_low` becomes
        `auroc_low`, and so on.
    """
    metrics = list(dict.fromkeys(rows["metric"]))
    index = rows[list(keys)].drop_duplicates(ignore_index=True)
    for metric in metrics:
        named = {part: f"{metric}{ENDINGS[part]}" for part in parts}
        of_metric = rows.loc[rows["metric"] == metric, [*keys, *parts]].rename(columns=named)
        index = index.merge(of_metric, on=list(keys), how="left", validate="one_to_one")
    return index


def said(notes: pd.Series) -> str | None:
    """Say what is noted of any seed, each thing once."""
    return "; ".join(dict.fromkeys(notes.dropna())) or None


def ordered(rows: pd.DataFrame, study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists data sets, labels, attributes and variants."""
    known = {
        "dataset": [*study.study.datasets],
        "label": ["any", "mean", *study.study.labels],
        "attribute": ["all", *study.study.attributes],
        "group": ["all", *in_order(set(rows["group"]) - {"all"})] if "group" in rows else [],
        "comparison": [*COMPARISONS.values()],
        "variant": [*study.study.variants],
    }
    return arranged(rows, {column: names for column, names in known.items() if column in rows})


def arranged(rows: pd.DataFrame, known: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Sort rows by the columns of `known`, the first before all others, as it lists their names."""
    places = {
        column: rows[column].map({name: i for i, name in enumerate(names)})
        for column, names in known.items()
    }
    order = pd.DataFrame(places, index=rows.index).sort_values(list(places), kind="stable").index
    return rows.loc[order].reset_index(drop=True)
