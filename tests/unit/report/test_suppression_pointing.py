"""What a public report hides of where maps point."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report.suppression import suppress
from cxrfair.report.suppression._pointing import hide_pointing
from cxrfair.tables import POINTING

SMALLEST = 20
NOTE = "hidden: small group"
NUMBERS = [name for name, kind in POINTING.columns.items() if kind == "float64?"]


def rows(*of, **changes):
    """Rows of (attribute, group, n, n_patients), one label."""
    frame = pd.DataFrame(of, columns=["attribute", "group", "n", "n_patients"])
    frame = frame.assign(study="s", dataset="d", variant="v", seed=0, label="edema", note=None)
    frame = frame.assign(
        statistic=np.where(frame["group"] == "between", "gap", "hit_rate"),
        **dict.fromkeys(NUMBERS, 0.51239),
    )
    return frame.assign(**changes)[POINTING.schema.names]


def hide(frame, hidden=()):
    nothing = {("d", "edema"): frozenset(hidden)}
    return hide_pointing(frame, nothing, SMALLEST)


def test_groups_of_few_images_or_patients_are_hidden_with_their_gap_and_all_counts_are():
    frame = rows(
        ("all", "all", 9000, 8000),
        ("sex", "female", 8981, 7990),
        ("sex", "male", 19, 19),
        ("sex", "between", 9000, 8000),
        ("age", "old", 5000, 19),
        ("age", "young", 4000, 4000),
        ("age", "between", 9000, 4019),
        ("race", "a", 0, 0),
        ("race", "b", 9000, 8000),
    )
    before = frame.copy()
    found = hide(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(found) == list(POINTING.columns)
    assert found[["n", "n_patients"]].isna().all(axis=None)
    gone = found["note"] == NOTE
    assert frame.loc[gone, ["attribute", "group"]].to_numpy().tolist() == [
        ["sex", "male"],
        ["sex", "between"],
        ["age", "old"],
        ["age", "between"],
    ]
    assert found.loc[gone, NUMBERS].isna().all(axis=None)
    assert (found.loc[[0, 1, 8], NUMBERS] == 0.512).all(axis=None)


def test_what_is_hidden_elsewhere_is_hidden_here():
    frame = rows(
        ("all", "all", 9000, 8000),
        ("sex", "female", 5000, 5000),
        ("sex", "male", 4000, 4000),
        ("sex", "between", 9000, 9000),
    )
    found = hide(frame, [("sex", "male")])
    assert (found["note"] == NOTE).tolist() == [False, False, True, True]
    assert (hide(frame, [("all", "all")])["note"] == NOTE).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("n", "wanted"), [(20, 0.5), (399, 0.5), (400, 0.51), (3999, 0.51), (4000, 0.512)]
)
def test_rates_have_as_many_digits_as_their_images_allow(n, wanted):
    found = hide(rows(("all", "all", n, n))).iloc[0]
    shares = ["value", "ci_low", "ci_high", "difference", "difference_low", "difference_high"]
    assert (found[shares].astype(float) == wanted).all()
    assert found["expected"] == 0.512  # a share of areas
    gap = rows(("sex", "a", n, n), ("sex", "b", 90000, 9000), ("sex", "between", 90000 + n, 9000))
    assert hide(gap)["value"].tolist() == [wanted, 0.512, wanted]


@pytest.mark.parametrize("n", [20, 37, 150, 399, 400, 1234, 3999, 4000, 5821])
def test_no_rate_tells_how_many_images_it_is_of(n):
    """Whatever number near the true one there might be: some of its fractions look the same."""
    rng = np.random.default_rng(n)
    hits = rng.integers(0, n + 1, 40)
    frame = pd.concat([rows(("all", "all", n, n), variant=f"v{k}") for k in range(40)])
    frame = frame.reset_index(drop=True).assign(value=hits / n)
    shown = hide(frame)["value"].to_numpy()
    for other in range(max(10, n // 2), 2 * n, max(1, n // 50)):
        digits = 1 if n < 400 else 2 if n < 4000 else 3
        possible = set(np.round(np.arange(other + 1) / other, digits))
        assert set(shown) <= possible, (n, other)


def test_the_report_shows_no_count_of_masks_and_no_small_group(made):
    study = made.results(products=("maps", "pointing"))
    public = suppress(study).pointing
    assert public[["n", "n_patients"]].isna().all(axis=None)
    few = study.pointing["n"].between(1, study.min_group_size - 1)
    assert few.any()
    assert public.loc[few, NUMBERS].isna().all(axis=None)
    young = public["attribute"].eq("age") & public["group"].eq("between")
    assert (public.loc[young, "note"] == NOTE).all()
    whole = public["group"].eq("all") & public["label"].eq("no_finding")
    assert public.loc[whole, "value"].notna().all()
    assert not public["note"].str.contains(r"rate of|undefined in", na=False).any()
    assert list(suppress(replace(study, pointing=POINTING.empty())).pointing) == list(public)


def test_thresholds_of_an_external_data_set_are_hidden_where_its_home_s_are(made):
    study = made.results(external=("mimic",))
    public = suppress(study).thresholds
    keys = ["label", "variant", "seed", "group", "part"]
    columns = ["value", "n", "n_positive"]
    nih, mimic = (
        public[public["dataset"] == name].set_index(keys)[columns].sort_index()
        for name in ("nih", "mimic")
    )
    assert len(nih) == len(mimic)
    assert nih["n"].isna().any()
    pd.testing.assert_frame_equal(nih, mimic)
