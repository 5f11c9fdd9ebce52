import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.statistics.intervals import percentile, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, Stat. Med. 17:857, Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_printed(successes, trials, low, high):
    found = wilson(successes / trials, trials, 0.95)
    np.testing.assert_allclose(found, (low, high), atol=5e-5)


def test_wilson_by_hand():
    # z = 2: p = 1/2, n = 4: middle (1/2 + 4/8) / 2 = 1/2, half = 2/2 sqrt(1/16 + 4/64) = 0.35355
    confidence = math.erf(2 / math.sqrt(2))
    low, high = wilson(0.5, 4, confidence)
    assert (low, high) == pytest.approx((0.5 - math.sqrt(1 / 8), 0.5 + math.sqrt(1 / 8)))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.data())
def test_wilson_solves_its_equation(trials, data):
    share = data.draw(st.integers(0, trials)) / trials
    z = 1.959963984540054
    for end in wilson(share, trials, 0.95):
        assert (end - share) ** 2 == pytest.approx(z**2 * end * (1 - end) / trials, abs=1e-9)


def test_wilson_without_trials_is_undefined():
    assert np.isnan(wilson(0.0, 0, 0.95)).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_percentiles_are_numpys(seed, n):
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(3, n))
    low, high = percentile(draws, 0.9)
    np.testing.assert_allclose(low, np.quantile(draws, 0.05, axis=1), atol=1e-12)
    np.testing.assert_allclose(high, np.quantile(draws, 0.95, axis=1), atol=1e-12)


def test_undefined_draws_are_left_out():
    draws = np.array([1.0, np.nan, 3.0, 2.0, np.nan])
    low, high = percentile(draws, 0.5)
    assert (low, high) == pytest.approx((1.5, 2.5))


def test_too_few_draws_no_interval():
    assert np.isnan(percentile(np.array([1.0, np.nan, np.nan]), 0.9)).all()
    assert np.isnan(percentile(np.array([np.nan]), 0.9)).all()
