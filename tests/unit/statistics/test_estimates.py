"""The fast way equals the slow way: rows repeated, groups taken apart, scikit-learn called."""

import numpy as np
import pytest
import sklearn.metrics

from cxrfair import metrics
from cxrfair.statistics import estimates
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.estimates import Judged, Sample, compare, estimate, mean_of_defined

NAN = np.nan


def _sample(n=80, n_patients=25, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(2, size=n)
    cells = [Cell("all", "all", np.arange(n))]
    cells += [Cell("sex", str(g), np.flatnonzero(group == g)) for g in (0, 1)]
    sample = Sample(
        rng.integers(2, size=n).astype(np.int8), rng.integers(n_patients, size=n), cells
    )
    judged = Judged(rng.integers(20, size=(2, n)) / 19, np.array([0.5, 0.3]))
    return sample, judged, patient_counts(n_patients, 12, 5)


@pytest.mark.parametrize("room", [8_000_000, 100])
def test_equals_repeating_rows(monkeypatch, room):
    monkeypatch.setattr(estimates, "ROOM", room)
    sample, judged, counts = _sample()
    names = ("auroc", "tpr", "brier")
    draws, trials = estimate(sample, judged, [metrics.get(name) for name in names], counts)
    for model, cell, draw in np.ndindex(2, 3, 13):
        rows = np.repeat(
            sample.cells[cell].rows,
            counts[draw, sample.patient[sample.cells[cell].rows]].astype(int),
        )
        target, score = sample.target[rows], judged.score[model, rows]
        called = score >= judged.threshold[model]
        expected = [
            sklearn.metrics.roc_auc_score(target, score),
            sklearn.metrics.recall_score(target, called),
            sklearn.metrics.brier_score_loss(target, score),
        ]
        np.testing.assert_allclose(draws[model, :, cell, draw], expected, atol=1e-12)
    positives = [sample.target[cell.rows].sum() for cell in sample.cells]
    np.testing.assert_array_equal(trials[0], [[NAN] * 3, positives, [NAN] * 3])


def test_a_model_without_a_threshold_has_no_rates_but_an_auroc():
    sample, judged, counts = _sample()
    lost = Judged(judged.score, np.array([0.5, NAN]))
    draws, _ = estimate(sample, lost, [metrics.get("auroc"), metrics.get("tpr")], counts)
    assert np.isnan(draws[1, 1]).all()
    assert not np.isnan(draws[1, 0]).any()
    assert not np.isnan(draws[0, 1, 0]).any()


def test_an_empty_cell_is_undefined():
    sample, judged, counts = _sample()
    empty = Sample(sample.target, sample.patient, [Cell("sex", "x", np.array([], int))])
    draws, _ = estimate(empty, judged, [metrics.get("auroc"), metrics.get("tpr")], counts)
    assert np.isnan(draws).all()


def test_a_mean_is_of_what_the_sample_defines():
    draws = np.array([[0.2, 0.4, NAN], [0.6, 0.8, 1.0], [NAN, 0.5, 0.5]])  # 3 labels
    mean = mean_of_defined(draws, axis=0)
    np.testing.assert_allclose(mean, [0.4, 0.6, NAN])
    assert np.isnan(mean_of_defined(np.full((2, 3), NAN), axis=0)).all()


def test_a_comparison_is_of_the_groups_the_sample_defines():
    draws = np.array([[0.2, 0.4, NAN], [0.6, 0.8, 1.0], [NAN, 0.0, 0.0]])  # 3 groups
    gap = compare(draws, metrics.get("tpr"), metrics.FORMS["gap"])
    np.testing.assert_allclose(gap, [0.4, 0.4, NAN])


def test_one_group_is_no_comparison():
    draws = np.array([[0.2, 0.4], [NAN, 0.8]])
    assert np.isnan(compare(draws, metrics.get("tpr"), metrics.FORMS["worst"])).all()


def _by_image(sample, judged):
    """The same thresholds written image by image; the second model's groups have their own."""
    threshold = np.repeat(judged.threshold[:, None], len(sample.target), axis=1)
    threshold[1, sample.cells[1].rows] = 0.7
    return Judged(judged.score, threshold)


def test_thresholds_of_images_decide_each_by_its_own():
    sample, judged, counts = _sample()
    own = _by_image(sample, judged)
    names = ("tpr", "fpr", "accuracy", "auroc")
    chosen = [metrics.get(name) for name in names]
    draws, trials = estimate(sample, own, chosen, counts)
    usual, usual_trials = estimate(sample, judged, chosen, counts)
    np.testing.assert_array_equal(draws[0], usual[0])
    np.testing.assert_array_equal(draws[:, 3], usual[:, 3])
    np.testing.assert_array_equal(trials, usual_trials)
    for cell, draw in np.ndindex(3, 13):
        place = sample.cells[cell].rows
        rows = np.repeat(place, counts[draw, sample.patient[place]].astype(int))
        called = judged.score[1, rows] >= np.where(np.isin(rows, sample.cells[1].rows), 0.7, 0.3)
        expected = sklearn.metrics.accuracy_score(sample.target[rows], called)
        assert draws[1, 2, cell, draw] == pytest.approx(expected, abs=1e-12)
        expected = sklearn.metrics.recall_score(sample.target[rows], called)
        assert draws[1, 0, cell, draw] == pytest.approx(expected, abs=1e-12)


def test_net_benefit_needs_one_threshold_whether_said_once_or_for_each_image():
    sample, judged, counts = _sample()
    chosen = [metrics.get("net_benefit")]
    draws, _ = estimate(sample, _by_image(sample, judged), chosen, counts)
    usual, _ = estimate(sample, judged, chosen, counts)
    np.testing.assert_array_equal(draws[0], usual[0])
    assert np.isnan(draws[1]).all()
    assert not np.isnan(usual).all()


def test_a_cell_with_an_image_that_is_not_decided_has_no_rates():
    sample, judged, counts = _sample()
    own = _by_image(sample, judged)
    own.threshold[1, sample.cells[2].rows[0]] = NAN
    draws, _ = estimate(sample, own, [metrics.get("tpr"), metrics.get("auroc")], counts)
    assert np.isnan(draws[1, 0, [0, 2]]).all()
    assert not np.isnan(draws[1, 0, 1]).any()
    assert not np.isnan(draws[0, 0]).any()
    assert not np.isnan(draws[1, 1]).any()


def test_no_images_are_no_reason_to_lack_a_threshold():
    sample, judged, counts = _sample()
    none = Sample(sample.target[:0], sample.patient[:0], [Cell("all", "all", np.array([], int))])
    for threshold in (judged.threshold, np.zeros((2, 0))):
        found = estimates.confusion(none, Judged(judged.score[:, :0], threshold), counts)
        assert (found.tp == 0).all()
