import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.phantom import noise
from cxrfair.phantom.noise import PhantomError

KEYS = st.lists(st.integers(0, 5000), min_size=1, max_size=30)


@given(KEYS, st.integers(0, 5000))
def test_a_row_depends_on_its_key_alone(keys, newcomer):
    alone = noise.uniform(3, "people", np.array(keys), 2)
    together = noise.uniform(3, "people", np.array([newcomer, *keys]), 2)
    np.testing.assert_array_equal(alone, together[1:])


def test_seed_stream_and_key_each_matter():
    rows = [
        noise.uniform(seed, stream, np.array([key]), 1)[0, 0]
        for seed, stream, key in [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1)]
    ]
    assert len(set(rows)) == 4


def test_normal_noise_is_standard():
    z = noise.normal(1, "z", np.arange(4000), 3)
    np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=0.02)


def test_fields_are_one_picture_a_key():
    several = noise.field(1, "pixels", np.array([7, 8, 7]), (4, 5))
    assert several.shape == (3, 4, 5)
    np.testing.assert_array_equal(several[0], several[2])
    assert not np.array_equal(several[0], several[1])


def test_permuted_numbers_are_distinct_and_shuffled():
    mapped = noise.permuted(np.arange(50_000), 1, "subject")
    assert len(np.unique(mapped)) == 50_000
    assert 0 <= mapped.min() <= mapped.max() < 9_998_244
    assert (np.diff(mapped) > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_more_identifiers_than_there_are_is_refused():
    with pytest.raises(PhantomError, match="at most 9998244"):
        noise.permuted(np.array([9_998_244]), 1, "subject")


def test_choose_follows_the_shares():
    u = np.array([0.05, 0.3, 0.55, 0.99])
    assert noise.choose(u, (0.1, 0.4, 0.0, 0.5)).tolist() == [0, 1, 3, 3]
    rows = np.array([0, 1, 0, 1])
    assert noise.choose_by(u, ((1.0, 0.0), (0.2, 0.8)), rows).tolist() == [0, 1, 0, 1]


def test_nobody_s_noise_is_empty():
    assert noise.uniform(1, "s", np.array([], np.int64), 3).shape == (0, 3)
