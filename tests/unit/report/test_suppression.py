"""A public report: nothing small can be read, or worked out from what is shown."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.report.suppression import close, join_small_steps, suppress

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
        gone = rows[rows["n"].isna()]
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


def test_nothing_else_changes(results):
    public = suppress(results)
    kept = public.summary["n"].notna()
    columns = ["value", "ci_low", "ci_high", "n_seeds"]
    pd.testing.assert_frame_equal(
        public.summary.loc[kept, columns], results.summary.loc[kept, columns]
    )


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
