import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrfair import group_thresholds
from cxrfair.audit import (
    TABLES,
    AuditConfig,
    AuditError,
    Evidence,
    Model,
    audit,
    headline,
    points,
)
from cxrfair.config import ConfigError


@pytest.fixture(scope="module")
def study(made):
    return made.study()


@pytest.fixture(scope="module")
def evidence(made, study):
    return made.evidence(study)


@pytest.fixture(scope="module")
def audited(made, study, evidence):
    return audit("quick", study, *evidence, made.CONFIG)


KEYS = ["dataset", "variant", "metric", "label", "attribute", "group"]


def _value(rows, *place):
    return rows.set_index(KEYS)["value"].loc[place]


def test_rows_keep_the_promises_of_their_tables(audited, tmp_path):
    for table, frame in zip(TABLES.values(), audited, strict=True):
        assert len(frame)
        table.write(frame, tmp_path / "t.parquet")
        assert len(table.read(tmp_path / "t.parquet")) == len(frame)


def test_a_group_is_judged_on_its_own_test_images(audited, evidence):
    models, cohorts = evidence
    key = Model("nih", "dro", 1)
    rows = models[key].predictions.merge(cohorts["nih"], on="image_id")
    here = (rows["fold"] == "test") & (rows["label"] == "pleural_effusion")
    here &= (rows["sex"] == "male") & (rows["age"] == "40-60") & rows["target"].notna()
    part = rows[here]
    found = audited.metrics.query("seed == 1").set_index(KEYS)
    row = found.loc[("nih", "dro", "auroc", "pleural_effusion", "sex x age", "male x 40-60")]
    assert row["value"] == pytest.approx(roc_auc_score(part["target"], part["score"]), abs=1e-12)
    counts = len(part), part["target"].sum(), part["patient_id"].nunique()
    assert (row["n"], row["n_positive"], row["n_patients"]) == counts


def test_decisions_use_the_models_threshold(audited, evidence):
    models, _ = evidence
    predictions, fitted = models[Model("mimic", "erm", 0)]
    rows = predictions.query("fold == 'test' and label == 'no_finding' and target == 1")
    cut = fitted.set_index("label").loc["no_finding", "value"]
    found = audited.metrics.query("seed == 0")
    expected = (rows["score"] >= cut).mean()
    assert _value(found, "mimic", "erm", "tpr", "no_finding", "all", "all") == pytest.approx(
        expected
    )


def test_training_and_validation_images_change_nothing(made, study, evidence, audited):
    models, cohorts = evidence
    shuffled = {}
    for key, (predictions, fitted) in models.items():
        other = predictions["fold"] != "test"
        score = predictions["score"].mask(other, 1 - predictions["score"])
        shuffled[key] = Evidence(predictions.assign(score=score), fitted)
    again = audit("quick", study, shuffled, cohorts, made.CONFIG)
    for before, after in zip(audited, again, strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_the_order_of_rows_changes_nothing(made, study, evidence, audited):
    models, cohorts = evidence
    mixed = {k: Evidence(e.predictions[::-1], e.thresholds[::-1]) for k, e in models.items()}
    turned = {name: frame[::-1] for name, frame in cohorts.items()}
    again = audit("quick", study, mixed, turned, made.CONFIG)
    for before, after in zip(audited, again, strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_unknown_is_reported_but_never_compared(audited):
    rows = audited.summary.query("dataset == 'nih' and variant == 'erm' and label == 'no_finding'")
    age = rows[(rows["attribute"] == "age") & (rows["metric"] == "prevalence")]
    assert "unknown" in set(age["group"])
    known = age[age["group"] != "unknown"]
    gap = rows.query("attribute == 'age' and metric == 'prevalence_gap'").iloc[0]
    assert gap["value"] == pytest.approx(known["value"].max() - known["value"].min())
    assert gap["n"] == known["n"].sum()
    whole = rows.query("attribute == 'all' and metric == 'prevalence'")["n"].iloc[0]
    assert gap["n"] < whole


def test_the_worst_group_follows_the_direction(audited):
    each = audited.metrics.query("seed == 0 and dataset == 'nih' and variant == 'erm'")
    for metric, choose in (("tpr", min), ("fpr", max)):
        rows = each.query(f"metric == '{metric}' and label == 'no_finding' and attribute == 'sex'")
        worst = _value(each, "nih", "erm", f"{metric}_worst", "no_finding", "sex", "between")
        assert worst == pytest.approx(choose(rows["value"]))


def test_a_metric_without_a_direction_has_a_gap_and_no_worst(audited):
    assert "prevalence_gap" in set(audited.summary["metric"])
    assert "prevalence_worst" not in set(audited.summary["metric"])


def test_the_summary_is_over_seeds_and_against_the_reference(audited):
    each, summary = audited.metrics, audited.summary
    place = ("auroc", "no_finding", "sex", "female")
    values = each.set_index(KEYS).loc[("nih", "dro", *place), "value"]
    row = summary.set_index(KEYS).loc[("nih", "dro", *place)]
    reference = summary.set_index(KEYS).loc[("nih", "erm", *place)]
    assert row["value"] == pytest.approx(values.mean())
    assert row["seed_sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["n_seeds"] == 2
    assert row["difference"] == pytest.approx(row["value"] - reference["value"])
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert np.isnan(reference["difference"])


def test_a_variant_may_be_compared_with_another_than_the_reference(made, evidence, audited):
    variants = {"erm": {"method": "erm"}, "dro": {"method": "group_dro"}}
    study = made.study(variants=variants | {"half": {"method": "erm", "against": "dro"}})
    models, cohorts = evidence
    half = {Model(k.dataset, "half", k.seed): of for k, of in models.items() if k.variant == "erm"}
    summary = audit("quick", study, models | half, cohorts, made.CONFIG).summary.set_index(KEYS)
    place = ("auroc", "no_finding", "sex", "female")
    theirs = summary.loc[("nih", "dro", *place)]
    assert summary.loc[("nih", "half", *place), "difference"] == pytest.approx(
        -theirs["difference"]
    )
    before = audited.summary.set_index(KEYS).loc[("nih", "dro", *place)]
    assert theirs["difference"] == pytest.approx(before["difference"])


def test_variants_are_paired(made, study, evidence):
    """Two variants with one set of predictions differ by exactly 0 in every resample."""
    models, cohorts = evidence
    same = {key: models[Model(key.dataset, "erm", key.seed)] for key in models}
    summary = audit("quick", study, same, cohorts, made.CONFIG).summary
    rows = summary[(summary["variant"] == "dro") & summary["value"].notna()]
    assert (rows["difference"] == 0).all()
    assert (rows["p_value"].dropna() == 1).all()
    defined = rows["difference_low"].dropna(), rows["difference_high"].dropna()
    assert all((column == 0).all() and len(column) for column in defined)
    assert (rows["ci_high"] > rows["ci_low"]).any()


def test_mean_is_over_labels(audited):
    summary = audited.summary
    place = ("all", "all")
    labels = [
        _value(summary, "nih", "dro", "auroc", label, *place)
        for label in ("no_finding", "pleural_effusion")
    ]
    mean = _value(summary, "nih", "dro", "auroc", "mean", *place)
    assert mean == pytest.approx(np.mean(labels))


def test_small_groups_and_sparse_rates_are_flagged(audited, made):
    each = audited.metrics
    small = each[(each["n"] < made.CONFIG.min_group_size) & (each["group"] != "between")]
    assert len(small)
    assert small["note"].str.contains("fewer than 20 images").all()
    sparse = each[each["note"].str.contains("Wilson", na=False)]
    assert set(sparse["metric"]) <= {"accuracy", "tpr", "fpr", "ppv"}
    entered = each[(each["metric"] == "auroc_gap") & (each["attribute"] == "age")]
    assert entered["note"].str.contains("enters with fewer than 20 images: 0-20").any()


def test_undefined_is_empty_with_a_reason(made, study, evidence):
    models, cohorts = evidence
    lost = {
        key: Evidence(row.predictions, row.thresholds.assign(value=np.nan))
        for key, row in models.items()
    }
    each, summary, *_ = audit("quick", study, lost, cohorts, made.CONFIG)
    for rows in (each, summary):
        rates = rows[(rows["metric"] == "tpr")]
        assert rates["value"].isna().all()
        kept = rates[rates["label"] != "mean"]
        assert kept["note"].str.contains("no threshold").all()
        assert rows.loc[rows["metric"] == "auroc", "value"].notna().any()


def test_a_missing_model_is_named(made, study, evidence):
    models, cohorts = evidence
    fewer = {key: row for key, row in models.items() if key != Model("mimic", "dro", 1)}
    with pytest.raises(AuditError, match="variant='dro', seed=1"):
        audit("quick", study, fewer, cohorts, made.CONFIG)


@pytest.mark.parametrize("change", ["images", "targets"])
def test_models_must_share_their_test_images(made, study, evidence, change):
    models, cohorts = evidence
    key = Model("nih", "dro", 1)
    predictions = models[key].predictions
    test = predictions["fold"] == "test"
    if change == "images":
        first = predictions.loc[test, "image_id"].iloc[0]
        predictions = predictions[predictions["image_id"] != first]
    else:
        turned = predictions["target"].mask(test, 1 - predictions["target"])
        predictions = predictions.assign(target=turned)
    wrong = models | {key: Evidence(predictions, models[key].thresholds)}
    with pytest.raises(AuditError, match="differ from those of"):
        audit("quick", study, wrong, cohorts, made.CONFIG)


def test_images_outside_the_cohort_are_refused(made, study, evidence):
    models, cohorts = evidence
    fewer = cohorts | {"nih": cohorts["nih"].iloc[300:]}
    with pytest.raises(AuditError, match="test images are not in the cohort; allowed: none"):
        audit("quick", study, models, fewer, made.CONFIG)


def test_headlines_are_nested_floats(audited):
    found = headline(audited.summary)
    assert set(found) == {"nih", "mimic"}
    assert "auroc_gap_sex_x_age" in found["nih"]["erm"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(isinstance(v, float) for d in found.values() for r in d.values() for v in r.values())


def test_points_hold_defined_values_only(audited):
    rows = points(audited.summary)
    assert len(rows) == audited.summary["value"].notna().sum()
    assert rows["value"].notna().all()


def test_a_reduction_is_of_what_should_be_small(audited):
    rows = audited.summary.query("variant == 'dro' and dataset == 'nih' and label == 'no_finding'")
    sd = rows.query("metric == 'fpr_sd' and attribute == 'age'").iloc[0]
    before = sd["value"] - sd["difference"]
    assert sd["reduction"] == pytest.approx(1 - sd["value"] / before)
    assert sd["reduction_low"] <= sd["reduction"] <= sd["reduction_high"]
    reduced = set(rows.loc[rows["reduction"].notna(), "metric"])
    assert {"eo_diff", "adf", "auroc_gap", "fpr_worst"} <= reduced
    assert not reduced & {"pqd", "eom", "auroc", "auroc_worst", "tpr_ratio", "tpr_group_gap"}
    reference = audited.summary.query("variant == 'erm'")
    assert reference[["reduction", "p_value", "difference_low"]].isna().all(axis=None)


def test_matched_groups_say_what_it_cost(audited):
    rows = audited.matched.query("metric == 'tpr' and label == 'no_finding' and attribute == 'sex'")
    assert set(rows["test_set"]) == {"as_is", "prevalence", "case_mix"}
    assert (rows["effective_n"] <= rows["n"] + 1e-9).all()
    assert (rows["effective_n"] > 0).all()
    raw = audited.summary.set_index(KEYS)["value"]
    alike = rows.query("test_set == 'prevalence'").set_index(KEYS)["value"]
    np.testing.assert_allclose(alike, raw.loc[alike.index])  # given the label, prevalence is moot


def test_matched_groups_have_one_prevalence(audited):
    rows = audited.matched.query("test_set == 'prevalence' and metric == 'prevalence'")
    rows = rows[(rows["label"] == "no_finding") & (rows["attribute"] == "sex")]
    by_dataset = rows.groupby("dataset")["value"]
    assert (by_dataset.max() - by_dataset.min()).max() == pytest.approx(0, abs=1e-12)
    gap = audited.matched.query("test_set == 'prevalence' and metric == 'prevalence_gap'")
    of_sex = gap[(gap["attribute"] == "sex") & (gap["label"] != "mean")]
    assert of_sex["value"].max() == pytest.approx(0, abs=1e-12)
    assert audited.summary.query("metric == 'prevalence_gap'")["value"].max() > 0.01


def test_curves_are_of_every_model(audited, study):
    keys = audited.curves[["dataset", "variant", "seed"]].drop_duplicates()
    assert len(keys) == len(study.datasets) * len(study.variants) * len(study.seeds)


GOOD = {
    "metrics": ["auroc"],
    "forms": ["gap"],
    "comparisons": ["pqd"],
    "matched": ["prevalence"],
    "resamples": 5,
    "confidence": 0.95,
    "seed": 1,
    "min_group_size": 20,
}


@pytest.mark.parametrize(
    ("field", "names"),
    [
        *(("metrics", names) for names in (["auroc", "auc"], ["auroc", "auroc"], [])),
        *(("forms", names) for names in (["range"], ["gap", "gap"])),
        *(("comparisons", names) for names in (["tpr_gap"], ["pqd", "pqd"])),
        *(("matched", names) for names in (["age"], ["prevalence", "prevalence"])),
    ],
)
def test_what_is_asked_must_exist_and_be_named_once(field, names):
    AuditConfig.parse(json.dumps(GOOD), "audit")
    with pytest.raises(ConfigError, match=field):
        AuditConfig.parse(json.dumps({**GOOD, field: names}), "audit")


POST = {
    "odds": ("equalised_odds", ("sex",)),
    "chance": ("equal_opportunity", ("sex", "age")),
}


@pytest.fixture(scope="module")
def with_odds(made):
    """A study with group thresholds on the scores of `erm`, its evidence and its audit."""
    variants = {"erm": {"method": "erm"}}
    for name, (post, groups) in POST.items():
        variants[name] = {"post": post, "upstream": "erm", "groups": groups}
    of = made.study(datasets=("nih",), variants=variants)
    models, cohorts = made.evidence(of)
    config = made.CONFIG.model_copy(
        update={"metrics": (*made.CONFIG.metrics, "net_benefit", "brier"), "resamples": 10}
    )
    return models, cohorts, audit("quick", of, models, cohorts, config)


def _drawn(image, label):
    digest = hashlib.sha256(json.dumps(["group threshold", image, label]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 1) / 2**63


@pytest.mark.parametrize("variant", ["odds", "chance"])
@pytest.mark.parametrize("label", ["no_finding", "pleural_effusion"])
def test_thresholds_of_groups_decide_as_counted_image_by_image(with_odds, variant, label):
    models, cohorts, audited = with_odds
    for seed in (0, 1):
        of = models[Model("nih", variant, seed)]
        rows = of.predictions.query("fold == 'test' and label == @label and target == target")
        rows = rows.merge(cohorts["nih"][["image_id", "sex", "age"]], on="image_id")
        parts = of.thresholds[of.thresholds["label"] == label]
        counted = dict.fromkeys(("female", "male"), (0, 0))
        numbers = set()
        for row in rows.itertuples():
            group = " x ".join(getattr(row, name) for name in POST[variant][1])
            mine = parts[parts["group"] == group].sort_values("part")
            if not len(mine) or mine["share"].isna().any():
                mine = parts[parts["group"] == "all"]
            below = (mine["share"].cumsum() <= _drawn(row.image_id, label)).sum()
            numbers.add(len(mine))
            called = row.score >= mine["value"].iloc[min(below, len(mine) - 1)]
            right, n = counted[row.sex]
            counted[row.sex] = right + (called == (row.target == 1)), n + 1
        assert variant == "chance" or max(numbers) > 1  # some are drawn
        found = audited.metrics[audited.metrics["seed"] == seed].set_index(KEYS)["value"]
        for sex, (right, n) in counted.items():
            value = found.loc["nih", variant, "accuracy", label, "sex", sex]
            assert value == pytest.approx(right / n, abs=1e-12)


def test_what_is_made_of_scores_is_that_of_the_upstream_and_exactly(with_odds):
    found = with_odds[2].summary.set_index(KEYS)["value"].unstack("variant")
    for name in ("auroc", "brier", "prevalence"):
        rows = found.xs(name, level="metric")
        assert rows["odds"].notna().any()
        pd.testing.assert_series_equal(rows["odds"], rows["erm"], check_names=False)
    assert (found.xs("tpr", level="metric").dropna().eval("odds != erm")).any()
    curves = with_odds[2].curves.set_index(["variant", "seed"])
    for seed in (0, 1):
        both = [curves.loc[(name, seed)].reset_index(drop=True) for name in ("odds", "erm")]
        pd.testing.assert_frame_equal(*both)


def test_net_benefit_at_several_thresholds_is_undefined_with_a_reason(with_odds):
    rows = with_odds[2].metrics.query("metric == 'net_benefit' and attribute == 'all'")
    odds = rows[(rows["variant"] == "odds") & (rows["label"] != "mean")]
    assert odds["value"].isna().all()
    assert odds["note"].str.contains("several thresholds").all()
    assert rows.loc[rows["variant"] == "erm", "value"].notna().all()


def test_an_audit_without_thresholds_of_groups_is_the_same_beside_one_with_them(made, with_odds):
    of = made.study(datasets=("nih",), variants={"erm": {"method": "erm"}})
    models, cohorts, together = with_odds
    own = {key: row for key, row in models.items() if key.variant == "erm"}
    config = made.CONFIG.model_copy(
        update={"metrics": (*made.CONFIG.metrics, "net_benefit", "brier"), "resamples": 10}
    )
    alone = audit("quick", of, own, cohorts, config).metrics
    beside = together.metrics[together.metrics["variant"] == "erm"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, beside)


@pytest.fixture(scope="module")
def away(made):
    """A study that is tested elsewhere too, what its models say, and its audit."""
    odds = {"post": "equalised_odds", "upstream": "erm", "groups": ("sex", "age")}
    variants = {"erm": {"method": "erm"}, "odds": odds}
    of = made.study(datasets=("nih", "jsrt"), external=("jsrt",), variants=variants)
    given = made.evidence(of)
    return of, given, audit("quick", of, *given, made.CONFIG)


def test_an_external_data_set_is_judged_with_every_image_and_home_s_thresholds(away):
    _, (models, cohorts), found = away
    metrics = found.metrics.query("dataset == 'jsrt' and variant == 'erm' and seed == 0")
    predictions, fitted = models[Model("jsrt", "erm", 0)]
    assert fitted is models[Model("nih", "erm", 0)].thresholds
    rows = predictions[predictions["label"] == "no_finding"]
    assert len(rows) == len(cohorts["jsrt"])
    place = ("jsrt", "erm", "tpr", "no_finding", "all", "all")
    cut = fitted.set_index("label").loc["no_finding", "value"]
    called = rows.loc[rows["target"] == 1, "score"] >= cut
    assert _value(metrics, *place) == pytest.approx(called.mean())
    assert metrics.set_index(KEYS).loc[place, "n"] == len(rows)


def test_groups_of_an_external_data_set_have_home_s_thresholds(away):
    _, (models, cohorts), found = away
    predictions, fitted = models[Model("jsrt", "odds", 0)]
    rows = predictions.query("label == 'no_finding' and target == 1")
    people = cohorts["jsrt"].set_index("image_id").loc[rows["image_id"]].reset_index()
    group = group_thresholds.groups(people, ("sex", "age"))
    of_label = fitted[fitted["label"] == "no_finding"]
    chance = group_thresholds.chances(list(rows["image_id"]), "no_finding")
    cut = group_thresholds.applied(of_label, list(group), chance)
    metrics = found.metrics.query("seed == 0")
    place = ("jsrt", "odds", "tpr", "no_finding", "all", "all")
    assert _value(metrics, *place) == pytest.approx((rows["score"].to_numpy() >= cut).mean())


def test_home_is_judged_as_if_there_were_no_other_data_set(made, away):
    of, (models, cohorts), found = away
    home = of.model_copy(update={"datasets": ("nih",), "external": ()})
    own = {key: of_model for key, of_model in models.items() if key.dataset == "nih"}
    alone = audit("quick", home, own, {"nih": cohorts["nih"]}, made.CONFIG)
    for before, after in zip(alone, found, strict=True):
        rows = after[after["dataset"] == "nih"].reset_index(drop=True)
        pd.testing.assert_frame_equal(before, rows)


def test_an_external_data_set_has_every_table_of_an_audit(away):
    for table, frame in zip(TABLES.values(), away[2], strict=True):
        rows = frame[frame["dataset"] == "jsrt"]
        table.check(rows)
        assert len(rows), table.name
