import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import spearmanr

from cxrfair.statistics.association import rank_correlation

MANY = {"resamples": 400, "confidence": 0.9}


def test_ranks_worked_out_by_hand():
    """Ranks 1 2 3 4 and 2 1 4 3: 1 - 6 (1 + 1 + 1 + 1) / (4 * 15)."""
    found = rank_correlation(np.array([1, 2, 3, 9.0]), np.array([0.2, 0.1, 5, 4]), **MANY)
    assert (found.n, found.note) == (4, "")
    assert found.value == pytest.approx(0.6)


@given(
    x=arrays.arrays(np.float64, 9, elements=st.integers(0, 4).map(float)),
    y=arrays.arrays(np.float64, 9, elements=st.integers(0, 4).map(float)),
)
def test_it_is_scipy_s_with_its_ties(x, y):
    found = rank_correlation(x, y, 20, 0.9)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.note == "the same of all variants"
        return
    assert found.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert -1 <= found.low <= found.high <= 1 + 1e-12


def test_the_interval_is_that_of_resampled_variants():
    rng = np.random.default_rng(5)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    found = rank_correlation(x, y, **MANY)
    drawn = np.random.default_rng(0).integers(12, size=(400, 12))
    each = [spearmanr(x[row], y[row]).statistic for row in np.argsort(x)[drawn]]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(each, [0.05, 0.95])))
    assert found.low < found.value < found.high


@given(
    x=arrays.arrays(np.float64, 8, elements=st.integers(0, 3).map(float)),
    y=arrays.arrays(np.float64, 8, elements=st.sampled_from([0.0, 1.0, 2.0, np.nan])),
    order=st.permutations(range(8)),
)
def test_the_order_of_variants_changes_neither_value_nor_interval(x, y, order):
    of_both = (rank_correlation(a, b, 60, 0.9) for a, b in ((x, y), (x[order], y[order])))
    (n, *one, note), (n_again, *other, note_again) = of_both
    assert (n, note) == (n_again, note_again)
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_same_order_is_one_and_more_variants_narrow_the_interval():
    x = np.arange(6.0)
    assert rank_correlation(x, np.exp(x), **MANY).value == pytest.approx(1)
    assert rank_correlation(x, -x, **MANY).value == pytest.approx(-1)
    rng = np.random.default_rng(1)
    wide = []
    for n in (6, 60):
        x = rng.normal(size=n)
        found = rank_correlation(x, x + rng.normal(size=n), **MANY)
        wide.append(found.high - found.low)
    assert wide[1] < wide[0] / 2


def test_variants_without_either_measure_are_left_out():
    x = np.array([1, 2, np.nan, 3, 9, 8])
    y = np.array([0.2, 0.1, 7, 5, 4, np.nan])
    found = rank_correlation(x, y, **MANY)
    assert (found.n, found.value) == (4, pytest.approx(0.6))


def test_three_variants_say_nothing():
    found = rank_correlation(np.arange(3.0), np.arange(3.0), **MANY)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.n, found.note) == (3, "fewer than 4 variants")
