"""Trials of one model on the same test images, against numbers worked out by hand and others'."""

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cxrfair import tables, trials
from cxrfair.statistics import cells
from cxrfair.studies import Study
from cxrfair.trials import Scores, TrialsError, judge, of_heads, of_predictions, table

WHERE = ("intersectional", "mimic_cxr")
# Two labels, eight images, four of each group. Of a, images 0 to 3; of b, 4 to 7.
TARGET = np.array([[1, 1, 0, 0, 1, 1, 0, 0], [1, 0, np.nan, 0, 1, 1, 0, np.nan]]).T
SCORE = np.array(
    [
        [[0.9, 0.4, 0.5, 0.1, 0.8, 0.7, 0.2, 0.3], [0.6, 0.7, 0.9, 0.2, 0.1, 0.5, 0.4, 0.9]],
        [[0.9, 0.8, 0.1, 0.2, 0.3, 0.4, 0.9, 0.6], [0.9, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9]],
    ],
    np.float32,
).transpose(0, 2, 1)


def groups(**columns):
    return cells.make(pd.DataFrame(columns), list(columns))


def scores(values, ids=None):
    n = values.shape[1]
    ids = pd.Series([f"i{i:03d}" for i in range(n)]) if ids is None else ids
    return Scores(np.asarray(values, np.float32), ids, np.arange(n))


def found(values, target, smallest=0, **columns):
    """Values by trial, attribute and metric."""
    rows = judge(scores(values), np.asarray(target, float), groups(**columns), smallest)
    return rows.set_index(["trial", "attribute", "metric"])


SEX = {"sex": list("aaaabbbb")}


def test_two_trials_of_two_labels_by_hand():
    """Called positive from 0.5 on, which an image of score 0.5 therefore is.

    Trial 0, first label. a: TPR 1/2 (0.9), FPR 1/2 (0.5); b: TPR 1, FPR 0. Gaps 1/2 and 1/2. All:
    TPR 3/4, TNR 3/4. Pairs won: 0.9 and 0.8 and 0.7 beat all four, 0.4 beats three: 15/16.
    Trial 0, second. a, images 0, 1, 3: TPR 1, FPR 1/2; b, images 4, 5, 6: TPR 1/2, FPR 0. Gaps 1/2.
    All: TPR 2/3, TNR 2/3. Positives 0.6, 0.1, 0.5 against 0.7, 0.2, 0.4: 2 + 0 + 2 of 9.
    Trial 1, first. a: TPR 1, FPR 0; b: TPR 0, FPR 1: gaps 1. All: TPR 1/2, TNR 1/2. Positives 0.9
    (ties with 0.9: 3.5), 0.8 (3), 0.3 (2), 0.4 (2): 10.5/16. Second: all right.
    """
    value = found(SCORE, TARGET, **SEX)["value"]
    wanted = {
        (0, "all", "auroc"): (15 / 16 + 4 / 9) / 2,
        (0, "all", "balanced_accuracy"): (3 / 4 + 2 / 3) / 2,
        (0, "sex", "eo_diff"): 1 / 2,
        (0, "sex", "af"): (1 / 4 + 1 / 6) / 2,
        (1, "all", "auroc"): (10.5 / 16 + 1) / 2,
        (1, "all", "balanced_accuracy"): (1 / 2 + 1) / 2,
        (1, "sex", "eo_diff"): 1 / 2,
        (1, "sex", "af"): (-1 / 2 + 1) / 2,
    }
    assert dict(value) == pytest.approx(wanted, abs=1e-15)


def test_rows_fit_their_table():
    rows = judge(scores(SCORE), TARGET, groups(**SEX), 0)
    tables.TRIALS.check(
        rows.assign(study="x", dataset="nih", variant="dfr", seed=0)[tables.TRIALS.schema.names]
    )


@pytest.fixture(scope="module")
def drawn():
    """Five trials of four labels; three races, two sexes; a tenth is not judged."""
    rng = np.random.default_rng(5)
    n, target = 400, (rng.random((400, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(float)
    target[rng.random(target.shape) < 0.1] = np.nan
    noise = rng.normal(size=(5, n, 4)) + np.nan_to_num(target)
    score = (1 / (1 + np.exp(-noise))).round(2).astype(np.float32)  # with ties
    people = {"race": rng.choice(["x", "y", "z"], n), "sex": rng.choice(["f", "m"], n)}
    return score, target, people


def test_numbers_are_those_of_scikit_learn_and_fairlearn(drawn):
    score, target, people = drawn
    value = found(score, target, **people)["value"]
    for trial in range(5):
        each = {name: [] for name in ("auroc", "balanced_accuracy", "race", "sex")}
        for k in range(4):
            rows = ~np.isnan(target[:, k])
            truth, one = target[rows, k], score[trial, rows, k]
            called = one >= np.float32(0.5)
            each["auroc"].append(roc_auc_score(truth, one))
            each["balanced_accuracy"].append(balanced_accuracy_score(truth, called))
            for name, of in people.items():
                odds = fl.equalized_odds_difference(truth, called, sensitive_features=of[rows])
                each[name].append(odds)
        mean = {name: np.mean(of) for name, of in each.items()}
        for name in trials.ACROSS:
            assert value[trial, "all", name] == pytest.approx(mean[name], abs=1e-12)
        for name in people:
            assert value[trial, name, "eo_diff"] == pytest.approx(mean[name], abs=1e-12)
            af = mean["balanced_accuracy"] - mean[name]
            assert value[trial, name, "af"] == pytest.approx(af, abs=1e-12)


def test_trials_at_once_are_trials_one_by_one_however_many_fit(drawn, monkeypatch):
    score, target, people = drawn
    whole = judge(scores(score), target, groups(**people), 0)
    alone = [
        judge(scores(score[t : t + 1]), target, groups(**people), 0).assign(trial=t)
        for t in range(5)
    ]
    pd.testing.assert_frame_equal(whole, pd.concat(alone, ignore_index=True))
    monkeypatch.setattr(trials, "ROOM", 2 * 400 * 4)
    pd.testing.assert_frame_equal(whole, judge(scores(score), target, groups(**people), 0))


def test_a_label_of_one_class_is_left_out_and_counted():
    target = TARGET.copy()
    target[:, 1] = np.where(np.isnan(target[:, 1]), np.nan, 1)
    rows = found(SCORE, target, **SEX)
    assert set(rows["n_labels"]) == {1}
    assert rows.loc[(0, "all", "auroc"), "value"] == 15 / 16
    assert rows.loc[(0, "sex", "eo_diff"), "value"] == 1 / 2
    assert rows.loc[(1, "all", "auroc"), "note"] == "1 of 2 labels undefined and left out"


def test_what_no_label_has_is_nan_with_a_note_and_never_0():
    rows = found(SCORE, np.ones((8, 2)), **SEX)
    assert rows["value"].isna().all()
    assert set(rows["n_labels"]) == {0}
    assert rows["note"].str.startswith("2 of 2 labels undefined and left out").all()


def test_a_group_without_positives_is_left_out_of_the_gap_in_tpr_alone():
    """c has no positive, and calls all its negatives positive: the gap in FPR is 1, in TPR 1/2."""
    score = np.concatenate([SCORE[:1, :, :1], np.full((1, 2, 1), 0.9, np.float32)], axis=1)
    target = np.concatenate([TARGET[:, :1], np.zeros((2, 1))])
    rows = found(score, target, sex=list("aaaabbbbcc"))
    assert rows.loc[(0, "sex", "eo_diff"), "value"] == 1
    said = "groups without positives or negatives left out for 1 labels"
    assert rows.loc[(0, "sex", "eo_diff"), "note"] == said
    assert pd.isna(rows.loc[(0, "all", "auroc"), "note"])


def test_images_of_unknown_group_count_among_all_and_in_no_comparison():
    rows = found(SCORE[:, :, :1], TARGET[:, :1], sex=["unknown", *"aaabbbb"])
    assert rows.loc[(0, "all", "auroc"), "value"] == 15 / 16
    assert rows.loc[(0, "sex", "eo_diff"), "value"] == 1  # a is left with a TPR of 0
    one = found(SCORE, TARGET, sex=["a"] * 4 + ["unknown"] * 4)
    assert one.loc[(0, "sex", ["eo_diff", "af"]), "value"].isna().all()
    none = found(SCORE, TARGET, sex=["unknown"] * 8)
    assert none.loc[(0, "sex", ["eo_diff", "af"]), "value"].isna().all()


def test_small_groups_enter_and_are_flagged():
    people = {"sex": list("aaabbbbb")}
    plain, flagged = found(SCORE, TARGET, **people), found(SCORE, TARGET, smallest=5, **people)
    pd.testing.assert_series_equal(plain["value"], flagged["value"])
    assert flagged.loc[(1, "sex", "af"), "note"] == "enters with fewer than 5 images: a"
    assert pd.isna(flagged.loc[(1, "all", "auroc"), "note"])


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_images_labels_and_groups_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 5, (3, 30, 3)).astype(np.float32) / 4
    target = rng.choice([0.0, 1.0, np.nan], (30, 3))
    people = pd.DataFrame({"sex": rng.choice(["a", "b", "c"], 30)})
    once = judge(scores(score), target, cells.make(people, ["sex"]), 0)
    moved, turned = rng.permutation(30), rng.permutation(3)
    shuffled = people.iloc[moved].reset_index(drop=True)
    again = judge(
        scores(score[:, moved][:, :, turned]),
        target[moved][:, turned],
        cells.make(shuffled, ["sex"]),
        0,
    )
    pd.testing.assert_frame_equal(once, again, atol=1e-12, rtol=0)


@given(st.integers(0, 2**32 - 1))
def test_values_lie_where_they_must(seed):
    rng = np.random.default_rng(seed)
    score, target = rng.random((4, 25, 2), np.float32), rng.choice([0.0, 1.0, np.nan], (25, 2))
    rows = found(score, target, sex=rng.choice(["a", "b", "unknown"], 25))
    value = rows["value"].unstack("metric").droplevel("trial")
    for name in ("auroc", "balanced_accuracy", "eo_diff"):
        assert value[name].dropna().between(0, 1).all()
    assert value["af"].dropna().between(-1, 1).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((1, 8, 2), np.nan), "16 scores are not finite; allowed: 0"),
        (np.zeros((0, 8, 2)), "0 trials of 2 labels; there must be at least 1, of 2"),
        (np.zeros((1, 8, 3)), "1 trials of 3 labels; there must be at least 1, of 2"),
    ],
)
def test_scores_that_are_none_are_refused(values, said):
    with pytest.raises(TrialsError, match=said):
        judge(scores(values), TARGET, groups(**SEX), 0)


IDS = [f"i{i}" for i in range(8)]


def index(rows, fold="test"):
    return pd.DataFrame({"image_id": IDS, "fold": fold, "row": rows})


def test_test_images_alone_are_taken_by_their_place(tmp_path):
    """Images lie in any order on the axis; those of validation are not judged."""
    fold = ["validation", *["test"] * 7]
    np.save(tmp_path / "trials.npy", SCORE[:, ::-1])
    values = np.load(tmp_path / "trials.npy", mmap_mode="r")
    taken = of_heads(values, index(np.arange(8)[::-1], fold).iloc[::-1])
    assert list(taken.ids) == IDS[1:]
    sex = groups(sex=SEX["sex"][1:])
    pd.testing.assert_frame_equal(
        judge(taken, TARGET[1:], sex, 0), judge(scores(SCORE[:, 1:]), TARGET[1:], sex, 0)
    )
    with pytest.raises(TrialsError, match="1 images have a row that is not among 8"):
        of_heads(values, index(np.arange(8) + 1))


def predictions(score):
    """Rows of PREDICTIONS of scores (n, k), last label first; targets play no part here."""
    wide = pd.DataFrame(score, columns=["edema", "mass"]).assign(image_id=IDS, fold="test")
    rows = wide[["image_id", "fold", "mass", "edema"]].melt(
        ["image_id", "fold"], var_name="label", value_name="score"
    )
    return rows.assign(target=pd.array([1] * 16, "Int8"))


STUDY = Study.model_validate(
    {
        "datasets": ("mimic_cxr",),
        "labels": ("edema", "mass"),
        "attributes": ("sex", "sex x race"),
        "reference": "erm",
        "variants": {"erm": {"method": "erm"}},
        "seeds": (0,),
    }
)


@pytest.fixture
def people():
    """Cohort and targets in another order than the scores; an image of mass is in doubt."""
    cohort = pd.DataFrame({"image_id": IDS, "sex": SEX["sex"], "race": list("xyxyxyxy")})
    wide = pd.DataFrame(TARGET, columns=["edema", "mass"]).fillna(-1).assign(image_id=IDS)
    targets = wide.melt("image_id", var_name="label", value_name="target")
    return cohort.iloc[::-1], targets.astype({"target": "Int8"}).iloc[::-1]


def test_models_are_judged_side_by_side(people):
    models = {("dfr", 1): of_heads(SCORE, index(np.arange(8)))}
    models["erm", 0] = of_predictions(predictions(SCORE[1]), STUDY.labels)
    rows = table(WHERE, STUDY, models, people, 0)
    tables.TRIALS.check(rows)
    one = rows[rows["variant"] == "dfr"]
    assert list(one["attribute"].unique()) == ["all", "sex", "sex x race"]
    alone = found(SCORE, TARGET, **SEX)["value"]
    both = one.set_index(["trial", "attribute", "metric"])["value"]
    assert dict(both.loc[list(alone.index)]) == pytest.approx(dict(alone), abs=1e-15)
    erm = rows[rows["variant"] == "erm"]
    assert set(erm["trial"]) == {0}
    np.testing.assert_array_equal(erm["value"], one.loc[one["trial"] == 1, "value"])


def test_without_models_there_are_no_rows(people):
    assert table(WHERE, STUDY, {}, people, 0).empty


def test_models_of_other_images_are_refused(people):
    models = {("dfr", 0): of_heads(SCORE, index(np.arange(8)))}
    fold = ["validation", *["test"] * 7]
    models["fair", 0] = of_heads(SCORE, index(np.arange(8), fold))
    with pytest.raises(TrialsError, match=r"'fair', 0\): its 7 test images differ from the 8 of"):
        table(WHERE, STUDY, models, people, 0)
    cohort, targets = people
    del models["fair", 0]
    with pytest.raises(TrialsError, match="1 test images are not in the cohort; allowed: 0"):
        table(WHERE, STUDY, models, (cohort.iloc[1:], targets), 0)


def test_predictions_of_all_labels_are_needed():
    rows = predictions(SCORE[0])
    with pytest.raises(TrialsError, match=r"no test predictions for \['mass'\]"):
        of_predictions(rows[rows["label"] == "edema"], STUDY.labels)
