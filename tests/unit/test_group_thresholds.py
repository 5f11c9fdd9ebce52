import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from cxrfair import group_thresholds, tables, thresholds
from cxrfair.group_thresholds import common_point, common_tpr, hull, reach
from cxrfair.thresholds import ThresholdError

YOUDEN = thresholds.ThresholdConfig(rule="youden")
INF = np.inf


def rows(target, score, group, label="edema", fold="validation"):
    """Predictions of one label, and the group of each image."""
    ids = pd.Series([f"i{i:05d}" for i in range(len(target))])
    frame = pd.DataFrame({"image_id": ids, "label": label, "fold": fold, "target": target})
    frame = frame.assign(score=np.asarray(score, float))
    return frame, pd.Series(np.asarray(group, object), index=ids.to_numpy())


def fitted(target, score, group, rule):
    frame, groups = rows(target, score, group)
    return group_thresholds.fit(frame, groups, rule, thresholds.fit(frame, YOUDEN))


def rates(found, target, score, group):
    """Expected FPR and TPR of each group, counted image by image; {group: (fpr, tpr)}."""
    target, score, group = np.asarray(target), np.asarray(score), np.asarray(group)
    told = {}
    for name in sorted(set(group)):
        parts = found[found["group"] == name]
        called = (score[:, None] >= parts["value"].to_numpy()) @ parts["share"].to_numpy()
        inside = [called[(group == name) & (target == is_positive)] for is_positive in (0, 1)]
        told[name] = tuple(of.mean() for of in inside)
    return told


def made(seed, n=400, groups=3):
    """Scores that tell more of some groups than of others; tied, in steps of 1/50."""
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=n)
    target = (rng.random(n) < 0.2 + 0.2 * group).astype(int)
    score = 1 / (1 + np.exp(-(0.6 + group) * (target - 0.5) - rng.normal(size=n)))
    return target, np.round(score * 50) / 50, np.array(["a", "b", "c"])[group]


class Given(ClassifierMixin, BaseEstimator):
    """A model whose score is its only feature."""

    def fit(self, _, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return np.stack([1 - x[:, 0], x[:, 0]], axis=1)


def optimised(target, score, group, constraint):
    """What fairlearn finds on its grid: balanced accuracy, and rates in expectation by group."""
    found = ThresholdOptimizer(
        estimator=Given(),
        constraints=constraint,
        objective="balanced_accuracy_score",
        prefit=False,
        predict_method="predict_proba",
        grid_size=1000,
    ).fit(score[:, None], target, sensitive_features=group)
    called = found._pmf_predict(score[:, None], sensitive_features=group)[:, 1]
    return called[target == 1].mean() - called[target == 0].mean()


# Group a (3 positives, 3 negatives) ranks +, +, -, +, -, -: hull (0,0) (0,2/3) (1/3,1) (1,1).
# Group b (2 and 2) ranks +, -, +, -: hull (0,0) (0,1/2) (1/2,1) (1,1).
TARGET = [1, 1, 0, 1, 0, 0, 1, 0, 1, 0]
SCORE = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.95, 0.85, 0.75, 0.65]
GROUP = ["a"] * 6 + ["b"] * 4


def test_the_hull_of_a_small_roc_curve_is_as_drawn_by_hand():
    of = hull(np.array(TARGET[:6], float), np.array(SCORE[:6]))
    np.testing.assert_allclose(of.fpr, [0, 0, 1 / 3, 1])
    np.testing.assert_allclose(of.tpr, [0, 2 / 3, 1, 1])
    assert of.value.tolist() == [INF, 0.8, 0.6, -INF]
    assert (of.n, of.n_positive) == (6, 3)


def test_corners_are_those_of_tied_scores_and_none_lies_on_a_straight_line():
    of = hull(np.array([1, 0, 1, 0, 1, 0.0]), np.array([0.7, 0.7, 0.5, 0.5, 0.3, 0.3]))
    assert of.value.tolist() == [INF, -INF]
    perfect = hull(np.array([1, 1, 0, 0.0]), np.array([0.9, 0.8, 0.2, 0.1]))
    assert perfect.fpr.tolist() == [0, 0, 1]
    assert perfect.value.tolist() == [INF, 0.8, -INF]


def test_equal_odds_by_hand():
    """Below both hulls TPR - FPR is 1/2 from (0, 1/2) to (1/2, 1): the first of these."""
    found = fitted(TARGET, SCORE, GROUP, "equalised_odds")
    a, b = (found[found["group"] == name] for name in "ab")
    assert a["value"].tolist() == [INF, 0.8]
    np.testing.assert_allclose(a["share"], [1 / 4, 3 / 4])  # (0, 2/3) three times in four
    assert b["value"].tolist() == [0.95]
    assert b["share"].tolist() == [1.0]
    told = rates(found, TARGET, SCORE, GROUP)
    np.testing.assert_allclose([told["a"], told["b"]], [(0, 0.5), (0, 0.5)], atol=1e-12)


def test_equal_opportunity_by_hand():
    """At t = 2/3 a has no false positive; b has 1/6. Pooled: 2/3 - (2/5)(1/6) = 0.6, the most."""
    found = fitted(TARGET, SCORE, GROUP, "equal_opportunity")
    a, b = (found[found["group"] == name] for name in "ab")
    assert (a["value"].tolist(), a["share"].tolist()) == ([0.8], [1.0])
    assert b["value"].tolist() == [0.95, 0.75]
    np.testing.assert_allclose(b["share"], [2 / 3, 1 / 3])
    told = rates(found, TARGET, SCORE, GROUP)
    np.testing.assert_allclose([told["a"], told["b"]], [(0, 2 / 3), (1 / 6, 2 / 3)], atol=1e-12)


def test_a_point_where_two_hulls_cross_is_found():
    """(0,0) (0,.6) (1,1) and (0,0) (.25,1) (1,1) meet at f = 1/6, t = 2/3 (Youden 1/2).

    Of their corners (0, 0.6) is below neither at once: the other hull is at 0 there.
    """
    steep = hull(np.array([1] * 3 + [1, 0] * 2, float), np.array([9] * 3 + [1] * 4, float))
    flat = hull(np.array([1] * 4 + [0] * 4, float), np.array([9] * 5 + [1] * 3, float))
    np.testing.assert_allclose([steep.tpr[1], flat.fpr[1]], [0.6, 0.25])
    np.testing.assert_allclose(common_point([steep, flat]), (1 / 6, 2 / 3))


def test_what_is_fitted_is_a_table_with_the_usual_thresholds_first(tmp_path):
    found = fitted(TARGET, SCORE, GROUP, "equalised_odds")
    tables.THRESHOLDS.write(found, tmp_path / "t.parquet")
    whole = found[found["group"] == "all"]
    assert whole["rule"].tolist() == ["youden"]
    others = found[found["group"] != "all"]
    assert set(others["rule"]) == {"equalised_odds"}
    assert set(others["fitted_on"]) == {"validation"}
    assert others[["group", "n", "n_positive"]].drop_duplicates().to_numpy().tolist() == [
        ["a", 6, 3],
        ["b", 4, 2],
    ]


def test_a_group_of_one_class_is_decided_as_all_are_and_leaves_the_others_alone():
    target, score, group = [*TARGET, 0, 0], [*SCORE, 0.99, 0.1], [*GROUP, "c", "c"]
    found = fitted(target, score, group, "equalised_odds")
    c = found[found["group"] == "c"].iloc[0]
    assert np.isnan(c["value"])
    assert np.isnan(c["share"])
    assert (c["n"], c["n_positive"]) == (2, 0)
    assert c["note"] == "no positives in validation: decided as all images are"
    alone = fitted(TARGET, SCORE, GROUP, "equalised_odds")
    same = ["group", "part", "value", "share"]
    own = found[found["group"].isin(["a", "b"])][same].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone[alone["group"] != "all"][same].reset_index(drop=True))
    cut = found.loc[found["group"] == "all", "value"].iloc[0]
    drawn = group_thresholds.applied(found, ["c", "d", "unknown"], np.array([0.2, 0.5, 0.9]))
    assert drawn.tolist() == [cut] * 3


def test_people_of_unknown_group_teach_nothing():
    more = [*GROUP, "unknown", "unknown"]
    found = fitted([*TARGET, 1, 0], [*SCORE, 0.1, 0.9], more, "equalised_odds")
    assert set(found["group"]) == {"all", "a", "b"}
    assert found.loc[found["group"] == "all", "n"].tolist() == [12]


def test_images_without_target_or_score_are_left_out_and_counted():
    target, score = [*TARGET, np.nan, 1], [*SCORE, 0.99, np.nan]
    found = fitted(target, score, [*GROUP, "a", "b"], "equal_opportunity")
    notes = found[found["group"] != "all"].groupby("group")["note"].first()
    assert notes.to_dict() == {"a": "left out: 1 without target", "b": "left out: 1 without score"}


def test_scores_that_say_nothing_call_nobody_positive():
    found = fitted([1, 0, 1, 0], [0.5] * 4, ["a", "a", "b", "b"], "equalised_odds")
    own = found[found["group"] != "all"]
    assert own["value"].tolist() == [INF, INF]
    assert own["share"].tolist() == [1.0, 1.0]
    assert own["note"].str.contains("better than chance: nobody is called positive").all()


@pytest.mark.parametrize("fold", ["train", "test"])
def test_rows_of_other_folds_cannot_reach_the_fit(fold):
    frame, groups = rows(TARGET, SCORE, GROUP)
    usual = thresholds.fit(frame, YOUDEN)
    frame.loc[3, "fold"] = fold
    with pytest.raises(ThresholdError, match=rf"fold: '{fold}'; allowed: validation \(1 rows\)"):
        group_thresholds.fit(frame, groups, "equalised_odds", usual)


def test_groups_of_other_images_change_nothing_and_a_lost_image_is_an_error():
    frame, groups = rows(TARGET, SCORE, GROUP)
    usual = thresholds.fit(frame, YOUDEN)
    more = pd.concat([groups, pd.Series({"test1": "a", "test2": "new"})])
    found = group_thresholds.fit(frame, more, "equalised_odds", usual)
    pd.testing.assert_frame_equal(
        found, group_thresholds.fit(frame, groups, "equalised_odds", usual)
    )
    with pytest.raises(ThresholdError, match="2 of 10 validation rows .* not in the cohort"):
        group_thresholds.fit(frame, groups.iloc[2:], "equalised_odds", usual)


def test_groups_are_cells_of_attributes_and_unknown_where_one_is():
    cohort = pd.DataFrame({"image_id": ["x", "y", "z"], "sex": ["female", "male", "male"]})
    cohort = cohort.assign(age=["0-20", "unknown", "80+"])
    assert group_thresholds.groups(cohort, ["sex", "age"]).to_dict() == {
        "x": "female x 0-20",
        "y": "unknown",
        "z": "male x 80+",
    }


def test_parts_are_drawn_by_the_image_and_the_label_alone():
    images = [f"i{i}" for i in range(20_000)]
    chance = group_thresholds.chances(images, "edema")
    again = group_thresholds.chances(images[::-1], "edema")[::-1]
    assert (chance == again).all()
    assert chance[0] == pytest.approx(0.0454789195, abs=1e-10)  # the same in every version, too
    other = group_thresholds.chances(images, "nodule")
    assert abs(np.corrcoef(chance, other)[0, 1]) < 0.03
    shares = {"share": [0.25, 0.5, 0.25], "value": [INF, 0.6, 0.4], "part": range(3)}
    table = pd.DataFrame({"label": "edema", "group": "a", **shares})
    table = pd.concat([table, pd.DataFrame({"group": ["all"], "value": 0.5, "share": 1.0})])
    found = group_thresholds.applied(table[::-1], ["a"] * len(images), chance)
    counted = pd.Series(found).value_counts(normalize=True)
    np.testing.assert_allclose(counted[[INF, 0.6, 0.4]], [0.25, 0.5, 0.25], atol=0.015)
    assert (found[chance < 0.25] == INF).all()
    assert (found[chance > 0.75] == 0.4).all()


@pytest.mark.parametrize("seed", range(4))
def test_equalised_odds_are_equal_and_no_worse_than_those_of_fairlearn(seed):
    target, score, group = made(seed)
    told = rates(fitted(target, score, group, "equalised_odds"), target, score, group)
    points = np.array(list(told.values()))
    np.testing.assert_allclose(points, np.broadcast_to(points[0], points.shape), atol=1e-9)
    theirs = optimised(target, score, group, "equalized_odds")
    assert points[0, 1] - points[0, 0] >= theirs - 1e-9
    assert points[0, 1] - points[0, 0] == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_equal_opportunity_is_equal_and_no_worse_than_that_of_fairlearn(seed):
    target, score, group = made(seed)
    told = rates(fitted(target, score, group, "equal_opportunity"), target, score, group)
    fpr, tpr = np.array(list(told.values())).T
    np.testing.assert_allclose(tpr, tpr[0], atol=1e-9)
    negatives = [((group == name) & (target == 0)).sum() for name in told]
    ours = tpr[0] - np.average(fpr, weights=negatives)
    theirs = optimised(target, score, group, "true_positive_rate_parity")
    assert ours >= theirs - 1e-9
    assert ours == pytest.approx(theirs, abs=0.01)


@st.composite
def samples(draw, groups=3):
    """Targets, tied scores and groups: every group has both classes."""
    target, score, group = [], [], []
    for name in "abc"[:groups]:
        pairs = st.tuples(st.integers(0, 1), st.integers(0, 8))
        more = draw(st.lists(pairs, max_size=25))
        first = [(0, draw(st.integers(0, 8))), (1, draw(st.integers(0, 8)))]
        target += [t for t, _ in first + more]
        score += [s / 8 for _, s in first + more]
        group += [name] * (2 + len(more))
    return np.array(target), np.array(score), np.array(group)


def hulls_of(target, score, group):
    return [hull(target[group == g].astype(float), score[group == g]) for g in sorted(set(group))]


def brute(target, score):
    """Every point of an ROC curve, (FPR, TPR)."""
    cuts = [INF, *sorted(set(score), reverse=True)]
    return np.array([[(score[target == c] >= cut).mean() for c in (0, 1)] for cut in cuts])


@settings(deadline=None, max_examples=60)
@given(samples(), st.sampled_from(["equalised_odds", "equal_opportunity"]))
def test_shares_add_up_and_few_thresholds_are_needed(sample, rule):
    found = fitted(*sample, rule)
    of = found[found["group"] != "all"].groupby("group")
    np.testing.assert_allclose(of["share"].sum(), 1, atol=1e-12)
    assert of.size().max() <= (3 if rule == "equalised_odds" else 2)
    assert (of["value"].diff().dropna() < 0).all()
    told = np.array(list(rates(found, *sample).values()))
    alike = told if rule == "equalised_odds" else told[:, 1]
    np.testing.assert_allclose(alike, np.broadcast_to(alike[0], alike.shape), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(samples())
def test_the_common_point_is_below_every_hull_and_no_mixture_is_better(sample):
    """The best of any point, by halving the plane: all thresholds of one group, mixed in pairs."""
    target, score, group = sample
    hulls = hulls_of(*sample)
    fpr, tpr = common_point(hulls)
    for of, name in zip(hulls, sorted(set(group)), strict=True):
        points = brute(target[group == name], score[group == name])
        assert (best(points, np.array([fpr])) >= tpr - 1e-9).all()
        mixture = reach(of, (fpr, tpr))
        assert (mixture.share > 0).all()
    grid = np.linspace(0, 1, 1001)
    curves = [brute(target[group == name], score[group == name]) for name in sorted(set(group))]
    highest = np.min([best(points, grid) for points in curves], axis=0)
    assert tpr - fpr >= (highest - grid).max() - 1e-9


def best(points, fpr):
    """The highest TPR at each FPR of any mixture of two points."""
    found = np.full(len(fpr), -INF)
    for (x0, y0), (x1, y1) in ((a, b) for a in points for b in points if a[0] <= b[0]):
        inside = (fpr >= x0 - 1e-12) & (fpr <= x1 + 1e-12)
        along = np.clip((fpr - x0) / (x1 - x0), 0, 1) if x1 > x0 else np.ones(len(fpr))
        found = np.where(inside, np.maximum(found, y0 + along * (y1 - y0)), found)
    return found


@settings(deadline=None, max_examples=60)
@given(samples(groups=1), st.sampled_from(["equalised_odds", "equal_opportunity"]))
def test_one_group_alone_has_its_threshold_by_youden(sample, rule):
    target, score, group = sample
    found = fitted(target, score, group, rule)
    points = brute(target, score)
    own = found[found["group"] == "a"]
    if (points[:, 1] - points[:, 0]).max() < 1e-12:  # no better than chance: nobody
        assert own["value"].tolist() == [INF]
        return
    usual = found.loc[found["group"] == "all", "value"].iloc[0]
    assert own["share"].tolist() == [1.0]
    assert ((score >= own["value"].iloc[0]) == (score >= usual)).all()


@settings(deadline=None, max_examples=60)
@given(samples(groups=2))
def test_the_common_tpr_is_the_best_of_any(sample):
    target, score, group = sample
    hulls = hulls_of(*sample)
    found = common_tpr(hulls)
    negatives = np.array([of.n - of.n_positive for of in hulls])

    def worth(tpr):
        return tpr - np.average(
            [group_thresholds.least_fpr(of, tpr) for of in hulls], axis=0, weights=negatives
        )

    grid = np.linspace(0, 1, 501)
    assert worth(np.array([found]))[0] >= worth(grid).max() - 1e-9
