"""How well the images that training lists keep of a cell stand for those they leave out."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.studies import trained

TITLE = "How well kept images cover those left out"
CAPTION = (
    "Training lists of the study's first seed that leave images out by what they look like, and "
    "the cells they thinned out; a cell of which every image is listed is not shown. Largest "
    "distance: how far an image left out lies, at most, from the nearest one kept of its cell, in "
    "standard deviations of the features (Euclidean; of at most 1,000 images left out, drawn at "
    "random). At random: the same if as many were kept by chance, mean of 5 draws. Ratio: the one "
    "over the other; below 1, the list covers its cell better than chance would; undefined where "
    "chance leaves no distance. Largest cells first, or where counts are hidden largest ratios; of "
    "a list with more than 20 such cells the others are summed up by their mean and the largest of "
    "each number. Of a cell with few images left out a ratio is mostly chance."
)
SECTION = "cohort"
MOST = 20
SAID = {"mean": "mean", "max": "largest of each"}
DISTANCES = ("largest", "random", "ratio")
HIDDEN, ALIKE = "hidden: small group", "chance leaves no distance"
COLUMNS = (
    *("dataset", "rebalance", "cell", "n_images", "n_kept"),
    *(f"{name}{part}" for name in DISTANCES for part in ("", "_note")),
)


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, list and cell; none where no list leaves images out."""
    rows = study.coverage[study.coverage["seed"] == study.study.seeds[0]]
    rows = rows[~(rows["kept"] >= rows["n"]).fillna(value=False).to_numpy(bool)]
    chance = rows["random"].where(rows["random"] > 0)
    rows = rows.assign(ratio=rows["largest"] / chance, hidden=rows["note"].eq(HIDDEN))
    parts = dict(list(rows.groupby(["dataset", "rebalance"])))
    names = dict.fromkeys(study.study.variants[name].rebalance for name in trained(study.study))
    found = [
        {"dataset": dataset, "rebalance": name, **row}
        for dataset in study.study.datasets
        for name in names
        if (dataset, name) in parts
        for row in _of_list(parts[dataset, name])
    ]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.astype({"n_images": "Int64", "n_kept": "Int64"})


def _of_list(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Yield the largest cells, what the others are together, and that some are hidden."""
    order = {"n": False, "ratio": False, "cell": True}  # counts are all there or all hidden
    told = rows[~rows["hidden"]].sort_values([*order], ascending=[*order.values()])
    shown, others = told.iloc[:MOST], told.iloc[MOST:]
    for _, row in shown.iterrows():
        yield _row(row["cell"], row)
    for how in ("mean", "max") if len(others) else ():
        sums = others[["n", "kept"]].astype("Int64").sum(skipna=False)
        numbers = others[list(DISTANCES)].agg(how)
        yield _row(f"{len(others)} more: {SAID[how]}", pd.concat([sums, numbers]))
    for _, row in rows[rows["hidden"]].iterrows():
        yield _row(row["cell"], row)


def _row(cell: str, row: "pd.Series[float]") -> dict[str, object]:
    """Write one row, saying why distances are missing."""
    note = row.get("note")
    why = note if isinstance(note, str) else ALIKE
    found: dict[str, object] = {"cell": cell, "n_images": row["n"], "n_kept": row["kept"]}
    for name in DISTANCES:
        value = np.nan if pd.isna(row[name]) else float(row[name])
        found |= {name: value, f"{name}_note": why if np.isnan(value) else None}
    return found
