import numpy as np
import pytest

from cxrfair import metrics
from cxrfair.metrics import FORMS

VALUES = np.array([[0.2, 0.5], [0.7, 0.5], [0.4, 0.9]])  # three groups, two resamples


def test_a_gap_is_the_range():
    np.testing.assert_allclose(FORMS["gap"].compute(VALUES, metrics.get("tpr")), [0.5, 0.4])


def test_the_worst_group_follows_the_direction():
    np.testing.assert_allclose(FORMS["worst"].compute(VALUES, metrics.get("tpr")), [0.2, 0.5])
    np.testing.assert_allclose(FORMS["worst"].compute(VALUES, metrics.get("fpr")), [0.7, 0.9])


@pytest.mark.parametrize(
    ("name", "parts"),
    [("auroc_gap", ("auroc", "gap")), ("fpr_worst", ("fpr", "worst")), ("auroc", ("auroc", None))],
)
def test_names_come_apart(name, parts):
    assert metrics.split_name(name) == parts


def test_a_name_with_an_underscore_stays_whole():
    assert metrics.split_name("balanced_accuracy") == ("balanced_accuracy", None)
    assert metrics.title("balanced_accuracy_worst") == "Worst-group Balanced accuracy"
