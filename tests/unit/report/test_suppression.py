"""A public report: nothing small can be read, or worked out from what is shown."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.report.suppression import close, hidden_groups, join_small_steps, suppress
from cxrfair.studies import Study
from cxrfair.tables import ATTRIBUTE_LEAKAGE, CURVES, LABEL_SHIFT, SELECTION

SMALLEST = 20
ALL = ("all", "all")


def _profiles(table):
    """Profiles of all, sex, age and sex x age from counts by (sex, age)."""
    sexes, ages = ["female", "male"], ["0-20", "20-40", "40-60"]
    found = {ALL: np.array([table.sum()])}
    found |= {("sex", s): np.array([table[i].sum()]) for i, s in enumerate(sexes)}
    found |= {("age", a): np.array([table[:, j].sum()]) for j, a in enumerate(ages)}
    for (i, s), (j, a) in itertools.product(enumerate(sexes), enumerate(ages)):
        found["sex x age", f"{s} x {a}"] = np.array([table[i, j]])
    return {group: counts for group, counts in found.items() if counts[0]}


def test_one_small_group_hides_a_second_one():
    profiles = {ALL: np.array([110]), ("sex", "female"): np.array([10])}
    profiles |= {("sex", "male"): np.array([40]), ("sex", "unknown"): np.array([60])}
    hidden = close(frozenset(), profiles, SMALLEST)
    assert hidden == {("sex", "female"), ("sex", "male")}


def test_nothing_small_nothing_hidden():
    profiles = _profiles(np.full((2, 3), 50))
    assert close(frozenset(), profiles, SMALLEST) == frozenset()


def test_no_images_are_no_secret():
    profiles = {ALL: np.array([100]), ("sex", "female"): np.array([100])}
    assert close(frozenset(), profiles | {("sex", "male"): np.array([0])}, SMALLEST) == frozenset()


def test_an_intersection_is_not_given_away_by_its_margins():
    table = np.array([[5, 100, 100], [100, 100, 100]])
    hidden = close(frozenset(), _profiles(table), SMALLEST)
    assert ("sex x age", "female x 0-20") in hidden
    crossings = [group for attribute, group in hidden if attribute == "sex x age"]
    assert len(crossings) >= 4 or len(hidden) > len(crossings)  # one in each line is too few


def test_hidden_groups_are_not_few_together():
    profiles = {ALL: np.array([310]), ("age", "a"): np.array([4]), ("age", "b"): np.array([6])}
    profiles |= {("age", "c"): np.array([100]), ("age", "d"): np.array([200])}
    hidden = close(frozenset(), profiles, SMALLEST)
    assert hidden == {("age", "a"), ("age", "b"), ("age", "c")}


def test_hidden_crossings_are_not_few_together_within_a_group():
    """Women less their shown ages are the hidden ones, 14 in all; men hide enough to be many."""
    table = np.array([[5, 9, 100], [100, 100, 100]])
    hidden = close(frozenset(), _profiles(table), SMALLEST)
    assert ("sex", "female") in hidden or ("sex x age", "female x 40-60") in hidden


def test_who_is_of_no_listed_group_is_not_given_away():
    """Five women are of unknown age, and no group: women less the women of each age."""
    profiles = {ALL: 765, ("sex", "female"): 205, ("sex", "male"): 560, ("age", "unknown"): 65}
    profiles |= {("age", "a"): 400, ("age", "b"): 300, ("sex x age", "unknown"): 65}
    profiles |= {("sex x age", "female x a"): 100, ("sex x age", "female x b"): 100}
    profiles |= {("sex x age", "male x a"): 300, ("sex x age", "male x b"): 200}
    hidden = close(frozenset(), {g: np.array([n]) for g, n in profiles.items()}, SMALLEST)
    female = {("sex x age", "female x a"), ("sex x age", "female x b")} & hidden
    assert ("sex", "female") in hidden or female
    assert len(hidden) > 1  # one crossing is what its age less the men of it are


def test_counts_of_nobody_hold_no_range():
    """By rank nothing follows; but no count is below 0, so that 5 may only be 5 or 6."""
    table = np.array([[5, 100, 1], [100, 0, 100]])
    hidden = close(frozenset(), _profiles(table), SMALLEST)
    cells = {("sex x age", f"{s} x {a}") for s in ("female", "male") for a in ("0-20", "40-60")}
    assert cells < hidden


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=6, max_size=6), st.integers(0, 5))
def test_shown_sums_never_fix_a_hidden_group(numbers, bump):
    """Solve for the finest cells: some other table shows the same numbers, but not these ones."""
    table = np.array(numbers).reshape(2, 3)
    table[0, bump % 3] += 1
    profiles = _profiles(table)
    hidden = close(frozenset(), profiles, SMALLEST)
    cells = [(i, j) for i, j in np.ndindex(2, 3) if table[i, j]]
    patterns = {}
    for group in profiles:
        units = [_profiles(_unit(cell)).get(group, np.array([0]))[0] for cell in cells]
        patterns[group] = np.array(units, float)
    shown = np.array([patterns[group] for group in profiles if group not in hidden])
    for group in hidden:
        rank = np.linalg.matrix_rank(np.vstack([shown, patterns[group][None]])) if len(shown) else 1
        assert rank > (np.linalg.matrix_rank(shown) if len(shown) else 0), group
    for group, counts in profiles.items():
        assert group in hidden or counts[0] >= SMALLEST


def _unit(cell):
    table = np.zeros((2, 3), int)
    table[cell] = 1
    return table


def test_results_show_no_small_number(results):
    public = suppress(results)
    for rows in (public.metrics, public.summary):
        inside = rows[~rows["group"].isin(["between"]) & rows["n"].notna()]
        for number in (inside["n"], inside["n_positive"], inside["n"] - inside["n_positive"]):
            each = number[inside["label"] != "mean"].astype(int)
            assert not ((each > 0) & (each < SMALLEST)).any()
        counted = rows["label"] == "no_finding"  # the other label is shown without counts
        gone = rows[rows["n"].isna() & counted]
        assert len(gone)
        assert gone[["value", "ci_low", "ci_high"]].isna().all(axis=None)
        assert (gone["note"] == "hidden: small group").all()
    shown = public.composition["n"].dropna().astype(int)
    assert not ((shown > 0) & (shown < SMALLEST)).any()


def test_comparisons_go_with_the_groups_that_enter_them(results):
    rows = suppress(results).summary
    for _, of in rows.groupby(["dataset", "variant", "label", "attribute"]):
        groups, between = of[of["group"] != "between"], of[of["group"] == "between"]
        if len(groups) and groups["n"].isna().any():
            assert between["n"].isna().all()


def test_the_same_groups_are_hidden_in_every_label(results):
    """Else the total of one label less the shown groups of another gives a hidden one away."""
    composition = suppress(results).composition
    hidden = composition[composition["n"].isna()]
    sets = hidden.groupby(["dataset", "label"])[["attribute", "group"]].apply(
        lambda rows: frozenset(map(tuple, rows.to_numpy()))
    )
    for dataset in results.study.datasets:
        for label in results.study.labels:
            assert sets[dataset, "any"] <= sets[dataset, label]


def test_nothing_else_changes_but_digits(results):
    public = suppress(results)
    kept = public.summary["n"].notna() & (public.summary["label"] == "no_finding")
    assert kept.any()
    columns = ["value", "ci_low", "ci_high", "n_seeds"]
    pd.testing.assert_frame_equal(
        public.summary.loc[kept, columns], results.summary.loc[kept, columns].round(3)
    )
    assert list(public.summary) == list(results.summary)
    assert list(public.metrics) == list(results.metrics)


def test_an_image_of_one_patient_is_as_small_a_group_as_many(results):
    one = results.composition.assign(n_patients=results.composition["n_patients"].clip(upper=1))
    public = suppress(replace(results, composition=one))
    assert public.summary["n"].isna().all()


def test_few_images_that_are_not_judged_take_the_counts_of_a_label(results):
    rows = results.composition.copy()
    before = hidden_groups(rows, SMALLEST)["nih", "no_finding"]
    place = rows["fold"].eq("test") & rows["label"].eq("no_finding") & rows["dataset"].eq("nih")
    rows.loc[place & rows["group"].isin(["all", "female", "40-60", "female x 40-60"]), "n"] -= 1
    assert ("all", "all") not in before
    assert ("all", "all") not in hidden_groups(rows, SMALLEST)["nih", "no_finding"]
    public = suppress(replace(results, composition=rows)).summary.query("label == 'no_finding'")
    assert public.loc[public["dataset"] == "nih", "n"].isna().all()
    assert public.query("dataset == 'nih' and group == 'all'")["value"].notna().all()
    assert public.query("dataset == 'mimic' and group == 'all'")["n"].notna().all()


def test_many_images_that_are_not_judged_in_few_groups_hide_these(results):
    """Who is not judged is few in some groups alone: these go, and the label keeps its counts."""
    rows = results.composition[results.composition["label"].isin(["any", "no_finding"])].copy()
    place = rows["fold"].eq("test") & rows["label"].eq("no_finding") & rows["dataset"].eq("nih")
    for fewer, names in ((25, ["all"]), (20, ["female"]), (5, ["male"])):
        rows.loc[place & rows["group"].isin(names), ["n", "n_patients"]] -= fewer
    rows = rows[rows["attribute"].isin(["all", "sex"])]
    hidden = hidden_groups(rows, SMALLEST)["nih", "no_finding"]
    assert ("sex", "male") in hidden
    assert ("all", "all") not in hidden


def test_a_group_against_the_others_goes_with_any_of_them(results):
    gap = results.summary.assign(metric="tpr_group_gap")
    rows = suppress(replace(results, summary=gap)).summary
    few = hidden_groups(results.composition, SMALLEST)
    for (dataset, label), groups in few.items():
        of = rows[(rows["dataset"] == dataset) & (rows["label"] == label)]
        for attribute in {attribute for attribute, _ in groups}:
            assert of.loc[of["attribute"] == attribute, "value"].isna().all()
    assert rows["value"].notna().any()


@pytest.mark.parametrize("column", ["p_value", "reduction", "reduction_low", "reduction_high"])
def test_tests_and_reductions_are_hidden_with_their_values(results, column):
    rows = suppress(replace(results, summary=results.summary.assign(**{column: 0.51234}))).summary
    rows = rows[rows["label"] == "no_finding"]
    gone = (rows["note"] == "hidden: small group").to_numpy()
    assert gone.any()
    assert rows.loc[gone, column].isna().all()
    assert (rows.loc[~gone, column] == 0.512).all()


def test_thresholds_are_no_scores_of_an_image(results):
    shown = suppress(results).thresholds["value"]
    assert (shown == shown.round(3)).all()
    assert (shown - results.thresholds["value"]).abs().max() < 0.001


def test_counts_behind_thresholds_go_where_few_are_not_judged(results):
    of = results.thresholds
    public = suppress(replace(results, thresholds=of.assign(n=of["n"] - SMALLEST + 1)))
    first = of["label"] == "no_finding"  # judged for all images
    assert public.thresholds.loc[first, ["n", "n_positive"]].isna().all(axis=None)


def _matched(results, **changes):
    inside = results.summary[results.summary["label"] != "mean"]
    rows = inside.assign(test_set="prevalence", effective_n=50.4, **changes)
    return suppress(replace(results, matched=rows)).matched


def test_matched_sets_show_only_what_is_not_a_subset(results):
    counted = results.summary.query("label != 'mean'")["label"].eq("no_finding").to_numpy()
    small = suppress(results).summary.query("label != 'mean'")["n"].isna().to_numpy()[counted]
    same = _matched(results)[counted]
    alone = ~same["group"].isin(["between"]).to_numpy()
    assert same.loc[small, ["value", "n"]].isna().all(axis=None)
    assert same.loc[~small & alone, ["value", "n"]].notna().all(axis=None)
    assert set(same["effective_n"].dropna()) == {50}
    inside = results.summary[results.summary["label"] != "mean"]
    fewer = _matched(results, n=inside["n"] - 1)[counted]
    assert fewer["n"].isna().all()
    assert fewer.loc[~small & alone, "value"].notna().all()


def test_a_matched_set_that_is_small_is_hidden_with_its_comparisons(results):
    inside = results.summary[results.summary["label"] != "mean"]
    female = (inside["attribute"] == "sex") & (inside["group"] == "female")
    rows = _matched(results, n_positive=inside["n_positive"].mask(female, 3))
    rows = rows[rows["label"] == "no_finding"]
    sexes = rows[(rows["attribute"] == "sex") & rows["group"].isin(["female", "between"])]
    assert sexes["value"].isna().all()
    assert rows.loc[rows["attribute"] == "all", "value"].notna().all()


def _curves():
    place = {"study": "quick", "dataset": "nih", "variant": "erm", "seed": 0}
    counts = {"n": [200, 5, 100, 100], "n_positive": [100, 2, 5, 95], "n_patients": 50}
    rows = pd.DataFrame({"point": range(4), **counts}).assign(
        **place, curve="calibration", label="no_finding", x=0.12345, y=0.98765
    )
    rows = rows.assign(ci_low=0.1, ci_high=0.9, note=None)
    return pd.concat(
        [
            rows.assign(attribute="all", group="all"),
            rows.assign(attribute="age", group="0-20"),
        ]
    )[CURVES.schema.names]


def test_curves_have_no_counts_and_no_small_bins(results):
    shown = suppress(replace(results, curves=_curves())).curves
    assert shown["group"].tolist() == ["all"] * 3
    assert shown["point"].tolist() == [0, 2, 3]
    assert shown[["n", "n_positive", "n_patients"]].isna().all(axis=None)
    assert shown["y"].tolist() == [0.988] * 3
    assert shown["ci_low"].notna().tolist() == [True, False, False]


def test_label_shift_of_a_group_is_not_told_against_hidden_ones(results):
    rows = results.summary.query("metric == 'prevalence' and variant == 'erm'")
    rows = rows.assign(total_variation=0.25, statistic=12.345678, p_value=1e-7, p_holm=2e-7)
    shown = suppress(replace(results, label_shift=rows[LABEL_SHIFT.schema.names])).label_shift
    hidden = hidden_groups(results.composition, SMALLEST)
    assert list(shown) == list(LABEL_SHIFT.schema.names)
    for row in shown[shown["label"] != "mean"].itertuples():
        groups = hidden[row.dataset, row.label]
        assert np.isnan(row.value) == ((row.attribute, row.group) in groups)
        touched = row.attribute in {attribute for attribute, _ in groups}
        assert np.isnan(row.total_variation) == touched
        assert np.isnan(row.p_value) == touched
    assert set(shown["statistic"].dropna()) == {12.3}


def _probed(results, **changes):
    place = {"study": "quick", "dataset": "nih", "variant": "erm", "seed": 0, "note": None}
    place |= {"fold": "test", "within": "all", "label": "any", "value": 0.61234}
    place |= {"ci_low": 0.5, "ci_high": 0.7, "n": 200, "n_positive": 100, "n_patients": 90}
    groups = [("sex", "female"), ("sex", "between"), ("age", "0-20"), ("age", "40-60")]
    groups += [("age", "between")]
    rows = pd.DataFrame([{**place, "attribute": a, "group": g, **changes} for a, g in groups])
    shown = suppress(replace(results, attribute_leakage=rows[ATTRIBUTE_LEAKAGE.schema.names]))
    return shown.attribute_leakage.set_index(["attribute", "group"])


def test_probes_say_nothing_of_hidden_groups_nor_how_many_are_known(results):
    hidden = hidden_groups(results.composition, SMALLEST)["nih", "any"]
    assert ("age", "0-20") in hidden
    assert not any(attribute == "sex" for attribute, _ in hidden)
    shown = _probed(results)
    assert shown["value"].notna().tolist() == [
        True, True, False, ("age", "40-60") not in hidden, False
    ]  # fmt: skip
    assert shown["n"].notna().tolist() == [True, True, False, False, False]
    assert _probed(results, n_positive=195)["n"].isna().all()
    assert (
        _probed(results, within="positive", label="no_finding", fold="validation")["n"].isna().all()
    )


def test_a_choice_among_models_tells_no_hidden_gap(results):
    rows = pd.DataFrame({"attribute": ["sex", "sex x age"], "rule": "minimax"})
    rows = rows.assign(study="quick", dataset="nih", variant="erm", seed=0, note=None)
    rows = rows.assign(overall=0.81234, worst=0.7, gap=0.1, leakage=0.6)
    shown = suppress(replace(results, selection=rows[SELECTION.schema.names])).selection
    assert shown["overall"].tolist() == [0.812, 0.812]
    assert shown["worst"].notna().tolist()[1] is False
    assert shown.loc[1, ["gap", "leakage"]].isna().all()
    assert shown["variant"].tolist() == ["erm", "erm"]


def test_small_steps_of_the_flow_are_joined(made):
    joined = join_small_steps(made.flow(600), SMALLEST)
    assert joined["step"].tolist() == ["Frontal", "Dated; Known", "Read"]
    assert joined["images_lost"].tolist() == [295, 105, 0]
    assert joined["images_in"].tolist() == [1000, 705, 600]
    assert joined["why"].tolist()[1] == "no date; attribute unknown"


@pytest.mark.parametrize(
    ("lost", "steps"),
    [([5, 100], 1), ([100, 5], 1), ([100, 5, 5, 100], 2), ([100, 100], 2), ([5], 1), ([15, 15], 1)],
)
def test_no_step_loses_few(lost, steps):
    out = 1000 - np.cumsum(lost)
    flow = pd.DataFrame({"position": range(len(lost)), "step": "s", "images_lost": lost})
    flow = flow.assign(images_in=out + lost, images_out=out, patients_out=out, why=None)
    joined = join_small_steps(flow, SMALLEST)
    assert len(joined) == steps
    assert joined["images_lost"].sum() == sum(lost)
    if sum(lost) >= SMALLEST:
        assert (joined["images_lost"] >= SMALLEST).all()


def test_reasons_keep_their_words_and_lose_their_counts():
    whys = [
        "LATERAL 1,218, none 3",
        "truncated or damaged 1",
        "conflicting races (latest): patients 2",
    ]
    flow = pd.DataFrame({"position": range(3), "step": ["a", "b", "c"], "why": whys})
    flow = flow.assign(images_in=900, images_out=800, images_lost=100, patients_out=[600, 500, 400])
    joined = join_small_steps(flow, SMALLEST)
    said = ["LATERAL, none", "truncated or damaged", "conflicting races (latest): patients"]
    assert joined["why"].tolist() == said


def _with_groups(results, attribute, *parts):
    """Thresholds of groups beside the usual one of the first label, as (group, n, ...)."""
    variants = {"erm": {"method": "erm"}, "dro": {"method": "group_dro"}}
    odds = {"post": "equalised_odds", "upstream": "erm", "groups": (attribute,)}
    study = Study.model_validate(
        results.study.model_dump(exclude={"variants"}) | {"variants": {**variants, "odds": odds}}
    )
    usual = results.thresholds[results.thresholds["label"] == "no_finding"].head(1)
    names = ["group", "n", "n_positive", "value", "share", "part"]
    own = pd.DataFrame([dict(zip(names, part, strict=True)) for part in parts])
    own = own.assign(label="no_finding", dataset="nih", variant="odds", seed=0, note=None)
    own = own.assign(rule="equalised_odds", fitted_on="validation")
    thresholds = pd.concat([usual, own.astype(usual.dtypes.to_dict())], ignore_index=True)
    return suppress(replace(results, study=study, thresholds=thresholds)).thresholds


def test_thresholds_of_groups_show_no_counts_and_none_of_small_groups(results):
    shown = _with_groups(
        results,
        "race",
        ("white", 80, 40, 0.512345, 0.654321, 0),
        ("white", 80, 40, -np.inf, 0.345679, 1),
        ("black", 80, SMALLEST - 1, 0.512345, 1.0, 0),
        ("asian", 80, 80 - SMALLEST + 1, 0.512345, 1.0, 0),
    ).iloc[1:]
    assert shown[["n", "n_positive"]].isna().all(axis=None)
    large = shown[shown["group"] == "white"]
    assert large["value"].tolist() == [0.512, -np.inf]
    assert large["share"].tolist() == [0.654, 0.346]
    assert large["note"].isna().all()
    small = shown[shown["group"] != "white"]
    assert small[["value", "share"]].isna().all(axis=None)
    assert (small["note"] == "hidden: small group").all()


@pytest.mark.parametrize(("attribute", "group"), [("sex", "female"), ("age", "0-20")])
def test_thresholds_of_groups_that_results_hide_are_hidden_too(results, attribute, group):
    few = (attribute, group) in hidden_groups(results.composition, SMALLEST)["nih", "no_finding"]
    assert few == (attribute == "age")
    shown = _with_groups(results, attribute, (group, 80, 40, 0.5, 1.0, 0)).iloc[1]
    assert np.isnan(shown["value"]) == np.isnan(shown["share"]) == few


def test_the_usual_thresholds_stay_beside_those_of_groups(results):
    whole = _with_groups(results, "age", ("40-60", 80, 40, 0.5, 1.0, 0)).iloc[0]
    alone = suppress(results).thresholds.query("label == 'no_finding'").iloc[0]
    pd.testing.assert_series_equal(whole, alone, check_names=False)
