"""The original deep feature reweighting, against scikit-learn on samples known in advance."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrfair.heads import HeadError, Known, Material, dfr_logreg
from cxrfair.heads._sample import generator

CONFIG = {"strengths": (0.3,), "fits": 2, "trials": 2}


def config(**changes):
    return dfr_logreg.Config(**{**CONFIG, **changes})


def even(n=80, noise=1.0, seed=0):
    """One label, two groups, the four cells alike, so that a balanced sample is all there is."""
    rng = np.random.default_rng(seed)
    target, group = np.arange(n) % 2, np.arange(n) // 2 % 2
    x = rng.normal(3, 5, (n, 4))
    x[:, 1] += 10 * target + noise * rng.normal(size=n)
    x[:, 3] = 7
    known = Known(x.astype(np.float32), target[:, None].astype(np.float32), group)
    return Material(("edema",), ("a", "b"), known, known)


def test_where_all_cells_are_alike_it_is_one_fit_of_scikit_learn(trials):
    """liblinear stops at its own tolerance, and the order of images is another in each fit."""
    material = even()
    found = dfr_logreg.fit(material, config(), trials(2))
    model = LogisticRegression(C=0.3, l1_ratio=1.0, solver="liblinear", tol=1e-8, max_iter=10_000)
    known = material.validation
    oracle = make_pipeline(StandardScaler(), model).fit(known.features, known.target[:, 0])
    wanted = oracle.decision_function(known.features)
    for trial in range(2):
        logit = known.features @ found.weight[trial, 0] + found.bias[trial, 0]
        np.testing.assert_allclose(logit, wanted, atol=0.02)
    assert (found.weight[:, 0, 3] == 0).all()
    assert found.notes == (
        "label edema: 4 of 4 cells hold images, the smallest 20; a fit is on 80",
    )


def test_the_scale_is_that_of_training_images_and_it_learns_from_validation(trials):
    """Twice as wide in training: weights of standardised features mean half as much."""
    material = even()
    wide = dataclasses.replace(material.train, features=2 * material.train.features)
    found = dfr_logreg.fit(dataclasses.replace(material, train=wide), config(), trials(1))
    swapped = dataclasses.replace(material.train, target=1 - material.train.target)
    other = dfr_logreg.fit(dataclasses.replace(material, train=swapped), config(), trials(1))
    same = dfr_logreg.fit(material, config(), trials(1))
    assert not np.allclose(found.weight, same.weight)
    np.testing.assert_array_equal(other.weight, same.weight)


def test_a_sample_holds_of_each_cell_as_many_as_the_smallest_has():
    material = even()
    known = material.validation
    target = known.target.copy()
    target[[0, 4, 8]] = np.nan  # negatives of group a: 17 are left
    target[1] = 0.5
    known = dataclasses.replace(known, target=target)
    task = dfr_logreg._task(known, known.features.astype(float), 0, "edema")
    rows = dfr_logreg._sample(task, np.arange(len(task.cell)), generator(0, 0))
    assert np.bincount(task.cell).tolist() == [17, 19, 20, 20]
    assert np.bincount(task.cell[rows]).tolist() == [17] * 4
    assert len(set(rows)) == len(rows)


def test_cells_without_an_image_are_left_out():
    known = even().validation
    target = known.target.copy()
    target[(known.group == 1) & (target[:, 0] == 1)] = np.nan
    known = dataclasses.replace(known, target=target)
    task = dfr_logreg._task(known, known.features.astype(float), 0, "edema")
    rows = dfr_logreg._sample(task, np.arange(len(task.cell)), generator(0, 0))
    assert np.bincount(task.cell[rows]).tolist() == [20, 20, 20]


def test_the_worst_cell_is_worked_out_by_hand():
    """Of cells of 2, 4 and 1 images 1, 3 and 1 are right."""
    x = np.array([[-1], [1], [1], [1], [1], [-1], [-2]], float)
    positive = np.array([0, 0, 1, 1, 1, 1, 0], bool)
    task = dfr_logreg._Task(x, positive, np.array([0, 0, 1, 1, 1, 1, 2]))
    line = dfr_logreg._Line(np.array([1.0]), 0.0, 1)
    assert dfr_logreg._worst(task, line, np.arange(7)) == 0.5
    assert dfr_logreg._worst(task, line, np.array([2, 3, 4, 5, 6])) == 0.75


def test_the_strength_is_chosen_by_the_worst_cell(trials):
    """C of 1e-6 leaves no weight: all are told alike, and the worst cell is wholly wrong."""
    for strengths in ((1e-6, 1.0), (1.0, 1e-6)):
        found = dfr_logreg.fit(even(), config(strengths=strengths), trials(1))
        assert found.weight[0, 0, 1] > 0.1


def test_it_makes_as_many_trials_as_its_settings_say_at_most(trials):
    assert len(dfr_logreg.fit(even(), config(), trials(100)).weight) == 2
    assert len(dfr_logreg.fit(even(), config(trials=9), trials(3)).weight) == 3


def test_a_label_of_one_class_is_refused(trials):
    material = even()
    none = dataclasses.replace(material.validation, target=np.zeros((80, 1), np.float32))
    with pytest.raises(HeadError, match="edema: 0 positive, 80 negative; both classes are needed"):
        dfr_logreg.fit(dataclasses.replace(material, validation=none), config(), trials(1))


def test_what_is_too_little_to_choose_by_is_said(trials):
    """With one positive, half of all halves hold none."""
    target = np.zeros((80, 1), np.float32)
    target[0] = 1
    material = even()
    few = dataclasses.replace(material.validation, target=target)
    found = dfr_logreg.fit(
        dataclasses.replace(material, validation=few), config(trials=20), trials(20)
    )
    (said,) = [note for note in found.notes if "unchosen" in note]
    assert 1 <= int(said.split(": ")[-1].split()[0]) < 20
    assert np.isfinite(found.weight).all()
