"""Metrics of confusion matrices: worked by hand, and against scikit-learn and fairlearn."""

import fairlearn.metrics
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import metrics
from cxrfair.metrics import Counts

# 3 + 2 positives, 1 + 4 negatives
HAND = Counts(*(np.array(float(n)) for n in (3, 1, 4, 2)))
BY_HAND = {
    "accuracy": 7 / 10,
    "balanced_accuracy": (3 / 5 + 4 / 5) / 2,
    "tpr": 3 / 5,
    "tnr": 4 / 5,
    "fpr": 1 / 5,
    "fnr": 2 / 5,
    "ppv": 3 / 4,
    "f1": 6 / 9,
    "positive_rate": 4 / 10,
}
ORACLES = {
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
    "tpr": fairlearn.metrics.true_positive_rate,
    "tnr": fairlearn.metrics.true_negative_rate,
    "fpr": fairlearn.metrics.false_positive_rate,
    "fnr": fairlearn.metrics.false_negative_rate,
    "ppv": sklearn.metrics.precision_score,
    "f1": sklearn.metrics.f1_score,
    "positive_rate": fairlearn.metrics.selection_rate,
}


def _counts(target, decision, weight):
    cells = ((1, 1), (0, 1), (0, 0), (1, 0))
    return Counts(*(np.array(weight[(target == t) & (decision == d)].sum()) for t, d in cells))


def test_every_counts_metric_is_worked_by_hand():
    counted = {name for name in metrics.names() if metrics.get(name).needs == "counts"}
    assert counted == set(BY_HAND) == set(ORACLES)


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    assert metrics.get(name).compute(HAND) == pytest.approx(BY_HAND[name], abs=1e-15)


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equals_the_field(name, seed):
    rng = np.random.default_rng(seed)
    target, decision = rng.integers(2, size=(2, 30))
    target[:2], decision[:2] = (0, 1), (0, 1)
    weight = rng.integers(1, 5, 30).astype(float)
    ours = metrics.get(name).compute(_counts(target, decision, weight))
    assert ours == pytest.approx(ORACLES[name](target, decision, sample_weight=weight), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "tp", "fp", "tn", "fn"),
    [
        ("tpr", 0, 1, 1, 0),
        ("fnr", 0, 1, 1, 0),
        ("fpr", 1, 0, 0, 1),
        ("tnr", 1, 0, 0, 1),
        ("ppv", 0, 0, 1, 1),
        ("f1", 0, 0, 1, 0),
        ("balanced_accuracy", 0, 1, 1, 0),
        ("balanced_accuracy", 1, 0, 0, 1),
        ("accuracy", 0, 0, 0, 0),
        ("positive_rate", 0, 0, 0, 0),
    ],
)
def test_an_empty_denominator_is_undefined_not_zero(name, tp, fp, tn, fn):
    counts = Counts(*(np.array([float(n), 1.0]) for n in (tp, fp, tn, fn)))
    value = metrics.get(name).compute(counts)
    assert np.isnan(value[0])
    assert not np.isnan(value[1])


def test_f1_is_zero_where_all_calls_are_wrong():
    assert metrics.get("f1").compute(Counts(*(np.array(float(n)) for n in (0, 1, 1, 1)))) == 0


def test_groups_as_in_fairlearn():
    rng = np.random.default_rng(5)
    target, decision, group = rng.integers(2, size=(3, 200))
    frame = fairlearn.metrics.MetricFrame(
        metrics=fairlearn.metrics.true_positive_rate,
        y_true=target,
        y_pred=decision,
        sensitive_features=group,
    )
    tpr = metrics.get("tpr")
    values = np.array(
        [
            tpr.compute(
                _counts(target[group == g], decision[group == g], np.ones((group == g).sum()))
            )
            for g in (0, 1)
        ]
    )
    gap = metrics.FORMS["gap"].compute(values, tpr)
    assert gap == pytest.approx(frame.difference(), abs=1e-12)
    assert metrics.FORMS["worst"].compute(values, tpr) == pytest.approx(
        frame.group_min(), abs=1e-12
    )
