import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.training.sampling import batches, epoch_order


@given(st.integers(1, 200), st.integers(0, 99), st.integers(1, 99))
def test_equal_weights_show_every_example_once(n, seed, epoch):
    order = epoch_order(np.ones(n), seed, epoch)
    assert sorted(order) == list(range(n))
    np.testing.assert_array_equal(order, epoch_order(np.ones(n), seed, epoch))


def test_epochs_and_seeds_differ():
    one = epoch_order(np.ones(50), 0, 1)
    assert not np.array_equal(one, epoch_order(np.ones(50), 0, 2))
    assert not np.array_equal(one, epoch_order(np.ones(50), 1, 1))


def test_examples_are_drawn_in_proportion_to_their_weight():
    weight = np.repeat([1.0, 3.0], 5000)
    heavy = (epoch_order(weight, 0, 1) >= 5000).mean()
    assert 0.73 < heavy < 0.77


@given(st.integers(2, 300), st.integers(2, 64))
def test_batches_hold_everything_once_and_never_one_example(n, size):
    parts = list(batches(np.arange(n), size))
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
    assert all(2 <= len(part) <= size + 1 for part in parts)
