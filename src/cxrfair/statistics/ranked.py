"""ROC and precision-recall curves of all images: what every threshold would do."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.metrics import ratio
from cxrfair.statistics.cells import ALL
from cxrfair.statistics.curves import COLUMNS
from cxrfair.statistics.estimates import Judged, Sample

Array = NDArray[np.float64]
GRID = np.arange(51) / 50  # of FPR, and of recall
ROC, PRECISION_RECALL = "roc", "precision_recall"
ONE_CLASS = "no positives or no negatives"


def of_label(label: str, sample: Sample, judged: Judged) -> pd.DataFrame:
    """Compute one label's curves of every model, of all images.

    `roc` has a point for each x of `GRID`: the highest TPR of the thresholds whose FPR is at most
    x. `precision_recall`: the precision of the highest threshold whose recall is at least x, of
    those that call somebody positive (no line is drawn between thresholds: Davis & Goadrich 2006,
    Section 3). Images with the same score are called positive together.

    Returns
    -------
    DataFrame
        Columns of `curves.of_label`, without intervals: those of the areas are AUROC's and average
        precision's. NaN with a note where one of the classes is missing.
    """
    (cell,) = (cell for cell in sample.cells if cell.attribute == ALL)
    target, patient = sample.target[cell.rows], sample.patient[cell.rows]
    found = [
        pd.DataFrame({"x": GRID, "y": y, "point": np.arange(len(GRID))}).assign(
            model=model, curve=curve
        )
        for model, score in enumerate(np.asarray(judged.score, np.float64))
        for curve, y in _curves(target, score[cell.rows])
    ]
    rows = pd.concat(found, ignore_index=True).assign(label=label, attribute=ALL, group=ALL)
    n_positive, n_patients = int(target.sum()), len(np.unique(patient))
    rows = rows.assign(n=len(target), n_positive=n_positive, n_patients=n_patients)
    said = pd.Series("", rows.index, dtype=object).mask(rows["y"].isna(), ONE_CLASS)
    return rows.assign(ci_low=np.nan, ci_high=np.nan, note=said)[list(COLUMNS)]


def _curves(target: NDArray[np.int8], score: Array) -> Iterator[tuple[str, Array]]:
    """Yield the y of both curves on the grid, (51,)."""
    positive = int(target.sum())
    if positive in (0, len(target)):
        yield from ((name, np.full(len(GRID), np.nan)) for name in (ROC, PRECISION_RECALL))
        return
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # of equal scores
    tp = np.cumsum(target[order], dtype=np.int64)[last]
    called = last + 1
    tpr, fpr = tp / positive, (called - tp) / (len(target) - positive)
    reached = np.searchsorted(fpr, GRID, side="right")
    yield ROC, np.append(0.0, tpr)[reached]
    yield PRECISION_RECALL, ratio(tp, called)[np.searchsorted(tpr, GRID, side="left")]
