"""Training lists as readers see them: what each holds of the groups of an attribute."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from cxrfair.rebalanced import NONE
from cxrfair.report._results import StudyResults, in_order
from cxrfair.statistics.cells import ALL
from cxrfair.studies import homes, trained
from cxrfair.tables import UNKNOWN
from cxrfair.tallies import ANY

LABELS = "label"  # the labels, in place of an attribute's groups


class Holding(NamedTuple):
    """What a data set's list holds: rows of `tables.TRAINED_ON`, one a group (or label)."""

    dataset: str
    attribute: str
    rebalance: str
    rows: pd.DataFrame


def of_first_seed(study: StudyResults) -> pd.DataFrame:
    """Return the lists of the study's first seed."""
    return study.rebalanced[study.rebalanced["seed"] == study.study.seeds[0]]


def names(study: StudyResults) -> list[str]:
    """Name the lists as the study has them, the training images as they are first."""
    own = [study.study.variants[name].rebalance for name in trained(study.study)]
    have = set(study.rebalanced["rebalance"])
    return [name for name in dict.fromkeys([NONE, *own]) if name in have]


def holdings(study: StudyResults) -> Iterator[Holding]:
    """Yield what each list holds of each attribute's known groups, and of the labels last."""
    rows = of_first_seed(study)
    parts = dict(list(rows.groupby(["dataset", "rebalance"])))
    for dataset in homes(study.study):
        for attribute in (*study.study.attributes, LABELS):
            for name in names(study):
                of = parts.get((dataset, name), rows[:0])
                yield Holding(dataset, attribute, name, inside(of, attribute, study))


def inside(rows: pd.DataFrame, attribute: str, study: StudyResults) -> pd.DataFrame:
    """Take an attribute's known groups as people count, or the labels in the study's order."""
    if attribute == LABELS:
        return _sorted(rows[rows["label"].ne(ANY)], "label", study.study.labels)
    of = rows["attribute"].eq(attribute) & rows["group"].ne(UNKNOWN) & rows["label"].eq(ANY)
    return _sorted(rows[of], "group", in_order(rows.loc[of, "group"]))


def _sorted(rows: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """Sort rows by the place of a column's entries in `order`."""
    return rows.set_index(column, drop=False).reindex(list(order)).reset_index(drop=True)


def everyone(study: StudyResults, dataset: str, name: str) -> pd.Series:
    """Return the row of all entries of a list."""
    rows = of_first_seed(study)
    here = rows["dataset"].eq(dataset) & rows["rebalance"].eq(name) & rows["label"].eq(ANY)
    return rows[here & rows["attribute"].eq(ALL)].iloc[0]
