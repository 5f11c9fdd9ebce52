"""ROC and precision-recall curves by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from cxrfair.statistics import ranked
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.curves import COLUMNS
from cxrfair.statistics.estimates import Judged, Sample


def _curves(target, *scores):
    n = len(target)
    cells = [Cell("all", "all", np.arange(n)), Cell("sex", "female", np.arange(n // 2))]
    sample = Sample(np.array(target, np.int8), np.arange(n) // 2, cells)
    judged = Judged(np.array(scores, float), np.full(len(scores), 0.5))
    return ranked.of_label("edema", sample, judged)


def _y(rows, curve, model=0):
    of = rows[(rows["curve"] == curve) & (rows["model"] == model)]
    return dict(zip(of["x"].round(2), of["y"], strict=True))


def test_by_hand():
    """Scores fall as 1 0 1 (1 0 tied) 0: TPR 1/3, 1/3, 2/3, 1, 1; FPR 0, 1/3, 1/3, 2/3, 1."""
    rows = _curves([1, 0, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.6, 0.1])
    roc = _y(rows, "roc")
    assert roc[0.0] == roc[0.32] == pytest.approx(1 / 3)
    assert roc[0.34] == roc[0.66] == pytest.approx(2 / 3)
    assert roc[0.68] == roc[1.0] == 1
    recall = _y(rows, "precision_recall")
    assert recall[0.0] == recall[0.32] == 1
    assert recall[0.34] == recall[0.66] == pytest.approx(2 / 3)
    assert recall[0.68] == recall[1.0] == pytest.approx(3 / 5)


def test_rows_are_those_of_all_images_of_each_model():
    rows = _curves([1, 0, 1, 0], [0.9, 0.2, 0.8, 0.3], [0.1, 0.2, 0.3, 0.4])
    assert list(rows) == list(COLUMNS)
    assert len(rows) == 2 * 2 * len(ranked.GRID)
    assert set(rows["group"]) == {"all"}
    assert set(zip(rows["n"], rows["n_positive"], rows["n_patients"], strict=True)) == {(4, 2, 2)}
    assert set(_y(rows, "roc").values()) == {1}
    assert _y(rows, "roc", 1)[0.5] == 0.5
    assert rows[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize("target", [[0, 0, 0], [1, 1], []])
def test_without_both_classes_there_is_no_curve(target):
    rows = _curves(target, np.linspace(0, 1, len(target)))
    assert rows["y"].isna().all()
    assert set(rows["note"]) == {"no positives or no negatives"}


@given(st.integers(0, 10_000))
def test_they_are_scikit_learns_thresholds(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    target = rng.integers(2, size=n)
    target[:2] = (0, 1)
    score = rng.integers(12, size=n) / 12
    rows = _curves(target, score)
    fpr, tpr, _ = roc_curve(target, score, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(target, score)
    for x, y in _y(rows, "roc").items():
        assert y == pytest.approx(tpr[fpr <= x].max())
    for x, y in _y(rows, "precision_recall").items():
        enough = np.flatnonzero(recall[:-1] >= x)[-1]  # its last is no threshold's
        assert y == pytest.approx(precision[enough])
