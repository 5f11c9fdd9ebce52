import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.config import ConfigError
from cxrfair.rebalance._targets import Aim, wanted

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8).map(np.array)


def _aim(target, cap=None, over=("sex",)):
    return Aim(over=over, target=target, cap=cap)


def _wanted(n, way, target, cap=None):
    return wanted(np.array(n), _aim(target, cap), way).tolist()


def test_equal_shares_the_total_out_and_gives_the_rest_to_the_largest():
    assert _wanted([10, 1, 6], "both", "equal") == [6, 5, 6]
    assert _wanted([10, 1, 6], "down", "equal") == [6, 1, 6]
    assert _wanted([10, 1, 6], "up", "equal") == [10, 5, 6]


def test_median_is_rounded_down():
    assert _wanted([10, 1, 6, 3], "both", "median") == [4, 4, 4, 4]
    assert _wanted([10, 1, 6, 3], "down", "median") == [4, 1, 4, 3]


def test_cap_by_hand():
    # both: least 3, most 6, sum 6 + 3 + 6 = 15 of 17; the two left over raise the least cell to
    # 4, and then there is room for 8: one more for the largest
    assert _wanted([10, 1, 6], "both", "cap", 2.0) == [7, 4, 6]
    assert _wanted([10, 1, 6], "down", "cap", 2.0) == [2, 1, 2]
    assert _wanted([10, 1, 6], "up", "cap", 2.0) == [10, 5, 6]
    assert _wanted([3, 2], "both", "cap", 2.0) == [3, 2]


@given(SIZES, st.sampled_from([1.0, 1.5, 2.0, 3.0, 7.5]))
def test_cap_keeps_the_total_and_holds_to_a_row(n, cap):
    size = wanted(n, _aim("cap", cap), "both")
    assert size.sum() == n.sum()
    assert size.max() <= max(cap * size.min(), size.min() + 1)
    assert size.min() >= n.min()
    assert size.max() <= n.max()
    if n.max() <= cap * n.min():
        assert size.tolist() == n.tolist()


@given(SIZES, st.sampled_from([("equal", None), ("median", None), ("cap", 1.3)]))
def test_one_way_alone_moves_cells_one_way(n, how):
    aim = _aim(*how)
    assert (wanted(n, aim, "down") <= n).all()
    assert (wanted(n, aim, "up") >= n).all()
    if how[0] == "cap":
        for way in ("down", "up"):
            size = wanted(n, aim, way)
            assert size.max() <= 1.3 * size.min()


@given(SIZES)
def test_equal_cells_differ_by_one_row_at_most(n):
    size = wanted(n, _aim("equal"), "both")
    assert size.sum() == n.sum()
    assert np.ptp(size) <= 1


def test_no_cells_no_sizes():
    assert wanted(np.zeros(0, dtype=np.int64), _aim("median"), "both").tolist() == []


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"target": "cap", "cap": None}, "`cap` is given with"),
        ({"target": "equal", "cap": 2}, "`cap` is given with"),
        ({"target": "cap", "cap": 0.5}, "cap"),
        ({"target": "mean", "cap": None}, "target"),
        ({"target": "equal", "cap": None, "over": ["sex", "sex"]}, "twice"),
        ({"target": "equal", "cap": None, "over": []}, "over"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given_, said):
    with pytest.raises(ConfigError, match=said):
        Aim.parse(json.dumps({"over": ["sex"], **given_}), "rebalance.resample")
