import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from cxrfair import embeddings, tables
from cxrfair.downstream import DownstreamError, Rules, cut, fit, judge
from cxrfair.embeddings import EmbeddingError, Embeddings
from cxrfair.probes import Images, People, ProbeConfig
from cxrfair.statistics import logistic
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.thresholds import ThresholdConfig

N = 600
LABELS, SHARES = ("edema", "mass", "hernia"), (0.5, 0.3, 0.1)
PROBE = ProbeConfig(images=10_000, penalty=0.01)
YOUDEN = ThresholdConfig(rule="youden")
UNCERTAINTY = Uncertainty(resamples=60, confidence=0.95, seed=3, min_group_size=10)
RULES = Rules(PROBE, YOUDEN, UNCERTAINTY)
WHERE = ("causal", "nih")
NUMBERS = ["value", "ci_low", "ci_high"]


def study(**changes):
    return Study.model_validate(
        {
            "datasets": ("nih",),
            "labels": ("pneumonia",),
            "downstream": LABELS,
            "attributes": ("sex",),
            "reference": "erm",
            "variants": {"erm": {"method": "erm"}, "ad": {"method": "ad"}},
            "seeds": (0,),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def people():
    """Three images a patient; a tenth of edema is not judged or in doubt; hernia is rare."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(N // 3), 3)
    ids = pd.Series([f"i{k:04d}" for k in range(N)], dtype="str")
    blank = {"study_id": ids, "view": "PA", "official_fold": None, "age_years": np.float32(50)}
    person = {"sex": "female", "age": "20-40", "race": "white", "insurance": "x", "link_rung": None}
    cohort = pd.DataFrame({"image_id": ids, "patient_id": [f"p{p:03d}" for p in patient]})
    fold = np.array(["train", "train", "validation", "test"])[patient % 4]
    target = {label: rng.random(N) < share for label, share in zip(LABELS, SHARES, strict=True)}
    wide = pd.DataFrame(target, dtype="float64")
    wide.loc[::20, "edema"] = np.nan
    wide.loc[1::20, "edema"] = -1  # in doubt
    targets = wide.assign(image_id=ids).melt("image_id", var_name="label", value_name="target")
    splits = pd.DataFrame({"image_id": ids, "fold": fold, "cell": "all"})
    return People(splits, cohort.assign(**blank, **person), targets.astype({"target": "Int8"}))


def with_target(people, label, where, value):
    """Targets of a label replaced at images (n,)."""
    chosen = set(people.splits.loc[where, "image_id"])
    here = (people.targets["label"] == label) & people.targets["image_id"].isin(chosen)
    return people._replace(
        targets=people.targets.assign(target=people.targets["target"].mask(here, value))
    )


def wide(people):
    """Targets (n, labels) in order of image id, NaN where not judged."""
    found = people.targets.astype({"target": "float64"})
    return found.pivot(index="image_id", columns="label", values="target").replace(-1, np.nan)


def telling(people, strength=1.0, d=6, seed=1):
    """Features of which each of the first says a label, more or less; of very different scales."""
    features = np.random.default_rng(seed).normal(size=(N, d))
    features[:, :3] += strength * np.nan_to_num(wide(people)[list(LABELS)].to_numpy())
    return (features * 10.0 ** np.arange(-2, d - 2) + 5).astype(np.float32)


def store(folder, people, features, name="e"):
    embeddings.write(folder / f"{name}.npy", [features], features.shape)
    index = people.splits[["image_id", "fold"]].assign(row=np.arange(len(features)))
    return Embeddings(folder / f"{name}.npy", index)


def judged(folder, people, features, rules=RULES, of=None):
    models = {("erm", 0): store(folder, people, features)}
    return judge(WHERE, study() if of is None else of, models, people, rules)


def at(found, label, metric, variant="erm", seed=0):
    return found.set_index(["variant", "seed", "label", "metric"]).loc[
        (variant, seed, label, metric)
    ]


def images(target, fold="validation"):
    n = len(target)
    whose = pd.DataFrame({"image_id": [f"i{k}" for k in range(n)], "fold": fold})
    return Images(whose.assign(patient_id=whose["image_id"]), pd.DataFrame(index=range(n)), target)


def test_a_head_is_scikit_learns_of_the_same_penalty(people):
    """The mean loss + p / 2 * squares is 1 / (p n) times scikit-learn's C * sum + squares / 2."""
    features, target = telling(people), wide(people)[list(LABELS)]
    heads = fit(features, target, 0.02)
    for place, label in enumerate(LABELS):
        rows = target[label].notna().to_numpy()
        standard = StandardScaler().fit(features[rows].astype(float))
        peer = LogisticRegression(C=1 / (0.02 * rows.sum()), tol=1e-8, max_iter=5000)
        peer.fit(standard.transform(features[rows].astype(float)), target.loc[rows, label])
        expected = peer.decision_function(standard.transform(features.astype(float)))
        np.testing.assert_allclose(heads.score(features)[:, place], expected, atol=2e-3)
        assert heads.fewest[place] == min((target[label] == 1).sum(), (target[label] == 0).sum())
    assert heads.notes == ("", "", "")


def test_numbers_are_those_of_scikit_learn_on_the_heads_own_scores(people, tmp_path):
    features, target = telling(people), wide(people)[list(LABELS)]
    found = judged(tmp_path, people, features)
    fold = people.splits["fold"].to_numpy()
    train = fold == "train"
    score = fit(features[train], target[train], PROBE.penalty).score(features)
    for place, label in enumerate(LABELS):
        value, known = target[label].to_numpy(), target[label].notna().to_numpy()
        validation, test = known & (fold == "validation"), known & (fold == "test")
        own = score[:, place]
        rates = [
            (own[validation & (value == 1)] >= level).mean()
            - (own[validation & (value == 0)] >= level).mean()
            for level in own[validation]
        ]
        called = own[test] >= own[validation][np.argmax(rates)]
        for metric, expected in {
            "auroc": roc_auc_score(value[test], own[test]),
            "accuracy": accuracy_score(value[test], called),
            "balanced_accuracy": balanced_accuracy_score(value[test], called),
            "always_no": 1 - value[test].mean(),
        }.items():
            row = at(found, label, metric)
            assert row["value"] == pytest.approx(expected, abs=1e-12)
            assert (row["n"], row["n_positive"]) == (test.sum(), value[test].sum())
            patients = people.cohort.loc[test, "patient_id"].nunique()
            assert row["n_patients"] == patients
            assert row["ci_low"] < row["value"] < row["ci_high"]
    tables.DOWNSTREAM.check(found)


def test_a_toy_worked_by_hand(tmp_path):
    """One feature, which the head only scales; test features 0, 1, 2, 3 against 0, 1, 0, 1.

    Three of the four pairs are in order: 0.75. On validation 0, 1, 1 are the targets of 0.5, 1.5
    and 2.5, so that the threshold lies at 1.5: called are 2 and 3, which is right of 0 and 3.
    """
    fold = ["train"] * 4 + ["validation"] * 3 + ["test"] * 4
    feature = np.array([0, 1, 2, 3, 0.5, 1.5, 2.5, 0, 1, 2, 3], np.float32)[:, None]
    ids = [f"i{k:02d}" for k in range(11)]
    said = {"image_id": ids, "label": "edema", "target": [0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1]}
    splits = pd.DataFrame({"image_id": ids, "fold": fold})
    toy = People(splits, pd.DataFrame({"image_id": ids, "patient_id": ids}), pd.DataFrame(said))
    found = judged(tmp_path, toy, feature, of=study(downstream=("edema",)))
    values = dict(zip(found["metric"], found["value"], strict=True))
    assert values == {"auroc": 0.75, "accuracy": 0.5, "balanced_accuracy": 0.5, "always_no": 0.5}
    assert (found["n"] == 4).all()
    assert (found["n_positive"] == 2).all()
    assert found["note"].str.contains("fewer than 10 images").all()


def test_test_targets_change_neither_head_nor_threshold(people, tmp_path):
    """Turned round they turn the AUROC round exactly; calls of yes stay where they were."""
    features, test = telling(people), people.splits["fold"] == "test"
    whole = with_target(people, "mass", np.ones(N, bool), 0)
    some = np.arange(N) % 3 == 0
    before = with_target(whole, "mass", some, 1)
    turned = with_target(with_target(before, "mass", test & some, 0), "mass", test & ~some, 1)
    one, other = (judged(tmp_path, of, features) for of in (before, turned))
    for metric in ("auroc", "accuracy", "balanced_accuracy", "always_no"):
        pair = [at(found, "mass", metric)["value"] for found in (one, other)]
        assert pair[0] == pytest.approx(1 - pair[1], abs=1e-12)
    rest = [found[found["label"] != "mass"] for found in (one, other)]
    pd.testing.assert_frame_equal(*rest)


def test_validation_gives_the_threshold_and_nothing_else(people, tmp_path):
    features = telling(people)
    validation = (people.splits["fold"] == "validation").to_numpy()
    moved = features + np.where(validation[:, None], 3 * features.std(axis=0), 0)
    one, other = (judged(tmp_path, people, x.astype(np.float32)) for x in (features, moved))
    for metric, same in (("auroc", True), ("always_no", True), ("accuracy", False)):
        pair = [found.loc[found["metric"] == metric, NUMBERS] for found in (one, other)]
        assert pair[0].equals(pair[1]) is same


def test_a_fixed_threshold_is_one_of_probabilities():
    target = pd.DataFrame({"edema": [0.0, 1.0], "mass": [1.0, np.nan]})
    score = np.array([[-1.0, 2.0], [3.0, 0.5]])
    found = cut(score, images(target), ThresholdConfig(rule="fixed", value=0.8))
    np.testing.assert_allclose(expit(found.value), 0.8)
    assert found.notes == ("", "")
    ends = [cut(score, images(target), ThresholdConfig(rule="fixed", value=v)) for v in (0.0, 1.0)]
    assert [of.value[0] for of in ends] == [-np.inf, np.inf]


@pytest.mark.parametrize("kept", [0, 1])
def test_one_class_in_training_is_no_head(people, tmp_path, kept):
    train = people.splits["fold"] == "train"
    found = judged(tmp_path, with_target(people, "mass", train, kept), telling(people))
    for metric in ("auroc", "accuracy", "balanced_accuracy"):
        row = at(found, "mass", metric)
        assert row[["value", "ci_low", "ci_high", "difference"]].isna().all()
        assert row["note"] == "needs a positive and a negative in training"
    assert at(found, "mass", "always_no")["value"] > 0.5
    assert at(found, "edema", "auroc")["value"] > 0.5


def test_one_class_in_validation_is_no_threshold(people, tmp_path):
    validation = people.splits["fold"] == "validation"
    found = judged(tmp_path, with_target(people, "mass", validation, 0), telling(people))
    assert at(found, "mass", "auroc")["value"] > 0.5
    for metric in ("accuracy", "balanced_accuracy"):
        row = at(found, "mass", metric)
        assert row[NUMBERS].isna().all()
        assert row["note"] == "no threshold: needs a positive and a negative in validation"
    assert np.isfinite(at(found, "mass", "always_no")["value"])


def test_one_class_in_test_leaves_accuracy_alone(people, tmp_path):
    test = people.splits["fold"] == "test"
    found = judged(tmp_path, with_target(people, "mass", test, 0), telling(people))
    for metric in ("auroc", "balanced_accuracy"):
        row = at(found, "mass", metric)
        assert row[NUMBERS].isna().all()
        assert row["note"] == "needs a positive and a negative"
    assert 0 < at(found, "mass", "accuracy")["value"] < 1
    assert at(found, "mass", "always_no")["value"] == 1


@pytest.mark.parametrize("gone", ["train", "validation", "test"])
def test_a_fold_without_targets_is_undefined(people, tmp_path, gone):
    here = people.splits["fold"] == gone
    found = judged(tmp_path, with_target(people, "mass", here, pd.NA), telling(people))
    undefined = {metric for metric in found["metric"] if at(found, "mass", metric).isna()["value"]}
    assert (
        undefined
        == {
            "train": {"auroc", "accuracy", "balanced_accuracy"},
            "validation": {"accuracy", "balanced_accuracy"},
            "test": {"auroc", "accuracy", "balanced_accuracy", "always_no"},
        }[gone]
    )
    assert all(at(found, "mass", metric)["note"] for metric in undefined)
    tables.DOWNSTREAM.check(found)


@pytest.mark.parametrize("gone", ["validation", "test"])
def test_a_fold_without_images_is_undefined(people, tmp_path, gone):
    kept = (people.splits["fold"] != gone).to_numpy()
    fewer = people._replace(splits=people.splits[kept].reset_index(drop=True))
    found = judged(tmp_path, fewer, telling(people)[kept])
    lost = found["value"].isna()
    assert lost.equals(found["metric"].isin(["accuracy", "balanced_accuracy"]) | (gone == "test"))
    assert found.loc[lost, "note"].notna().all()


def test_difference_is_from_the_reference_of_the_same_seed_on_the_same_patients(people, tmp_path):
    weak, strong = telling(people, 0.5), telling(people, 3.0)
    models = {
        ("erm", 0): store(tmp_path, people, weak, "a"),
        ("ad", 0): store(tmp_path, people, strong, "b"),
        ("ad", 1): store(tmp_path, people, strong, "c"),
    }
    found = judge(WHERE, study(), models, people, RULES)
    apart = ["difference", "difference_low", "difference_high"]
    for label in LABELS:
        own, other = (at(found, label, "auroc", variant) for variant in ("ad", "erm"))
        assert own["difference"] == pytest.approx(own["value"] - other["value"], abs=1e-12)
        assert own["difference_low"] <= own["difference"] <= own["difference_high"]
        assert own["difference_high"] - own["difference_low"] < (
            own["ci_high"] - own["ci_low"] + other["ci_high"] - other["ci_low"]
        )
        assert (at(found, label, "always_no", "ad")[apart] == 0).all()
    assert found.loc[found["variant"] == "erm", apart].isna().all(axis=None)
    assert found.loc[found["seed"] == 1, apart].isna().all(axis=None)
    same = [found[(found["variant"] == "ad") & (found["seed"] == seed)] for seed in (0, 1)]
    np.testing.assert_array_equal(same[0][NUMBERS], same[1][NUMBERS])
    variants = {"erm": {"method": "erm"}, "ad": {"method": "ad"}}
    variants["half"] = {"method": "ad", "against": "ad"}
    models[("half", 0)] = store(tmp_path, people, strong, "d")
    found = judge(WHERE, study(variants=variants), models, people, RULES)
    assert (at(found, LABELS[0], "auroc", "half")[apart] == 0).all()


def test_the_order_of_rows_changes_nothing(people, tmp_path):
    features = telling(people)
    before = judged(tmp_path, people, features)
    mixed = People(*(frame.sample(frac=1, random_state=1) for frame in people))
    at_random = np.random.default_rng(0).permutation(N)
    embeddings.write(tmp_path / "m.npy", [features[at_random]], features.shape)
    index = people.splits[["image_id", "fold"]].iloc[at_random].assign(row=np.arange(N))
    models = {("erm", 0): Embeddings(tmp_path / "m.npy", index)}
    after = judge(WHERE, study(), models, mixed, RULES)
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_at_most_so_many_training_images_are_learnt_from(people, tmp_path):
    features = telling(people)
    few = RULES._replace(probe=ProbeConfig(images=30, penalty=0.01))
    found = judged(tmp_path, people, features, few)
    assert not found[NUMBERS].equals(judged(tmp_path, people, features)[NUMBERS])
    assert at(found, "hernia", "auroc")["note"].startswith("learnt from fewer than 10 images")
    assert pd.isna(at(found, "hernia", "always_no")["note"])


def test_a_fit_that_does_not_end_is_noted(people, tmp_path, monkeypatch):
    monkeypatch.setattr(logistic, "STEPS", 1)
    found = judged(tmp_path, people, telling(people))
    said = found["note"].fillna("").str.contains("not converged")
    assert said.equals(found["metric"] != "always_no")


def test_few_test_images_have_a_wilson_interval(people, tmp_path):
    test = np.flatnonzero(people.splits["fold"] == "test")
    fewer = with_target(people, "mass", np.isin(np.arange(N), test[9:]), pd.NA)
    row = at(judged(tmp_path, fewer, telling(people)), "mass", "always_no")
    assert "Wilson interval: rate of 9 images" in row["note"]
    assert "fewer than 10 images" in row["note"]


def test_no_labels_and_no_models_are_no_rows(people, tmp_path):
    for rows in (
        judged(tmp_path, people, telling(people), of=study(downstream=())),
        judge(WHERE, study(), {}, people, RULES),
    ):
        assert len(rows) == 0
        assert list(rows) == list(tables.DOWNSTREAM.columns)


def test_images_that_are_not_known_are_refused(people, tmp_path):
    fewer = people._replace(cohort=people.cohort.iloc[10:])
    with pytest.raises(DownstreamError, match="10 images in folds are not in the cohort; allowed"):
        judged(tmp_path, fewer, telling(people))
    embeddings.write(tmp_path / "s.npy", [telling(people)[:-1]], (N - 1, 6))
    index = people.splits[["image_id", "fold"]].iloc[:-1].assign(row=np.arange(N - 1))
    models = {("erm", 0): Embeddings(tmp_path / "s.npy", index)}
    with pytest.raises(EmbeddingError, match="1 ids that have none"):
        judge(WHERE, study(), models, people, RULES)
