"""Our images in each group where a paper prints its own count of them."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.composition import ANY
from cxrfair.report.references import GroupTable
from cxrfair.statistics.cells import ALL
from cxrfair.studies import SEPARATOR
from cxrfair.tables import FOLDS, UNKNOWN

TITLE = "The paper's groups"
CAPTION = (
    "Images of our cohort in each group that the paper counts: all, with their patients, and in "
    "each fold; with them the images that the paper prints, of a cohort of its own. Our total "
    "counts every image once; the paper's is as printed. Left out where a study forms other groups "
    "of the same attributes."
)
SECTION = "paper"
COUNTS = ("n_images", "n_patients", *(f"n_{fold}" for fold in FOLDS))
COLUMNS = ("group", *COUNTS, "n_paper", "footnotes")
CALLED = {UNKNOWN: "Unknown", ALL: "Total"}  # rows of ours that are no group of the paper


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set and group of the paper, of unknown ones where we keep any, of all.

    A column for each attribute has the paper's names. Counts are empty where hidden; of groups that
    a cohort could have and has not, 0. `n_paper` is empty where nothing is printed: of unknown
    groups and of other data sets. Footnotes of the whole table stand with the total. Data sets
    whose groups are others than the paper's are left out: 0 would stand for what we call otherwise.
    """
    table = None if study.paper is None else study.paper.groups
    if table is None or table.attribute not in study.study.attributes:
        return pd.DataFrame(columns=["dataset", "table", *COLUMNS])
    attributes = table.attribute.split(SEPARATOR)
    counts = {dataset: _counts(table, dataset, study) for dataset in study.study.datasets}
    unknown = [UNKNOWN] if any(UNKNOWN in of.index for of in counts.values()) else []
    groups = [*(row.group for row in table.rows), *unknown, ALL]
    found = [
        line
        for dataset, of in counts.items()
        if set(of.index) <= set(groups)
        for line in _lines(table, dataset, of.reindex(groups, fill_value=0))
    ]
    frame = pd.DataFrame(found, columns=["dataset", "table", *attributes, *COLUMNS])
    return frame.astype(dict.fromkeys((*COUNTS, "n_paper"), "Int64"))


def _counts(table: GroupTable, dataset: str, study: StudyResults) -> pd.DataFrame:
    """Count a data set's images and patients by group, and all (groups, COUNTS).

    Folds, which share no patient, are added up; a hidden part hides the sum.
    """
    rows = study.composition
    rows = rows[(rows["dataset"] == dataset) & (rows["label"] == ANY)]
    rows = rows[rows["attribute"].isin([ALL, table.attribute])]
    numbers = rows.astype({"n": "Int64", "n_patients": "Int64"}).set_index(["group", "fold"])
    images, patients = (numbers[name].unstack()[list(FOLDS)] for name in ("n", "n_patients"))
    return images.add_prefix("n_").assign(
        n_images=images.sum(axis=1, skipna=False), n_patients=patients.sum(axis=1, skipna=False)
    )[list(COUNTS)]


def _lines(table: GroupTable, dataset: str, counts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of a data set, one for each of its counts."""
    called = {row.group: row.called for row in table.rows}
    printed = {row.group: row.printed for row in table.rows} | {ALL: table.total}
    attributes = table.attribute.split(SEPARATOR)
    for group, *numbers in counts.itertuples(name=None):
        is_printed = dataset == table.dataset and group in printed
        names = called[group] if group in called else (CALLED[group], *("" for _ in attributes[1:]))
        yield {
            "dataset": dataset,
            "table": table.number,
            **dict(zip(attributes, names, strict=True)),
            "group": group,
            **dict(zip(COUNTS, numbers, strict=True)),
            "n_paper": printed[group] if is_printed else None,
            "footnotes": _said(table, group) if is_printed else "",
        }


def _said(table: GroupTable, group: str) -> str:
    """Run together the footnotes of a row; those of the whole table are of all images."""
    whole = group == ALL
    told = [
        note.text
        for note in table.footnotes
        if note.concerns({"row": group}) or (whole and not note.at)
    ]
    return " ".join(told)
