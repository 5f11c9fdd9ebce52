"""Metrics of scores: worked by hand, and against scikit-learn with weights."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import metrics

TARGET = np.array([1, 0, 1, 0, 1], np.int8)
SCORE = np.array([0.9, 0.8, 0.8, 0.3, 0.1])
ONE = np.ones((1, 5))


def _compute(name, target, score, weight):
    return metrics.get(name).compute(target, score, weight)


def test_auroc_by_hand():
    # 6 pairs: 0.9 beats 0.8 and 0.3; 0.8 ties 0.8 and beats 0.3; 0.1 loses both: 3.5 of 6
    assert _compute("auroc", TARGET, SCORE, ONE) == pytest.approx(3.5 / 6, abs=1e-15)


def test_average_precision_by_hand():
    # precision is 1/1 at 0.9, 2/3 at the tie of 0.8, 3/5 at 0.1; each adds one third of the recall
    expected = (1 + 2 / 3 + 3 / 5) / 3
    assert _compute("average_precision", TARGET, SCORE, ONE) == pytest.approx(expected, abs=1e-15)


def test_brier_by_hand():
    expected = (0.1**2 + 0.8**2 + 0.2**2 + 0.3**2 + 0.9**2) / 5
    assert _compute("brier", TARGET, SCORE, ONE) == pytest.approx(expected, abs=1e-15)


def test_ece_by_hand():
    # bins: 0.9 alone (|0.9 - 1|), both 0.8 (|1.6 - 1|), 0.3 (|0.3 - 0|), 0.1 (|0.1 - 1|)
    assert _compute("ece", TARGET, SCORE, ONE) == pytest.approx((0.1 + 0.6 + 0.3 + 0.9) / 5)


def test_prevalence_by_hand():
    weight = np.array([[1.0, 1, 1, 1, 1], [4, 0, 0, 1, 0]])
    np.testing.assert_allclose(_compute("prevalence", TARGET, SCORE, weight), [3 / 5, 4 / 5])


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("auroc", sklearn.metrics.roc_auc_score),
        ("average_precision", sklearn.metrics.average_precision_score),
        ("brier", sklearn.metrics.brier_score_loss),
    ],
)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equals_scikit_learn_with_weights(name, oracle, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    target, score = rng.integers(2, size=n).astype(np.int8), rng.integers(8, size=n) / 7
    target[:2] = (0, 1)
    weight = rng.integers(0, 4, (3, n)).astype(float)
    weight[:, :2] += 1
    ours = _compute(name, target, score, weight)
    theirs = [oracle(target, score, sample_weight=row) for row in weight]
    np.testing.assert_allclose(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_a_weighting_without_positives_is_undefined_beside_one_with(name):
    weight = np.array([[0.0, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    value = _compute(name, TARGET, SCORE, weight)
    assert np.isnan(value[0])
    assert not np.isnan(value[1])


def test_auroc_without_negatives_is_undefined():
    weight = np.array([[1.0, 0, 1, 0, 1]])
    assert np.isnan(_compute("auroc", TARGET, SCORE, weight)).all()
