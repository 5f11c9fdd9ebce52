from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrfair.errors import CxrfairError
from cxrfair.training.sampling import (
    Share,
    batches,
    epoch_order,
    occurrence,
    part,
    pieces,
    plan,
    shares,
)

ORDERS = arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 12))


def order_of(n, seed=0, epoch=1):
    return epoch_order(np.ones(n), None, seed, epoch)


@given(st.integers(0, 200), st.integers(0, 99), st.integers(1, 99))
def test_equal_weights_show_every_example_once(n, seed, epoch):
    order = order_of(n, seed, epoch)
    assert sorted(order) == list(range(n))
    np.testing.assert_array_equal(order, order_of(n, seed, epoch))


def test_epochs_and_seeds_differ():
    one = order_of(50)
    assert not np.array_equal(one, order_of(50, epoch=2))
    assert not np.array_equal(one, order_of(50, seed=1))


def test_only_seed_and_epoch_decide_whatever_else_was_drawn():
    weight = np.repeat([1.0, 2.0], 20)
    first = epoch_order(weight, None, 3, 7)
    np.random.default_rng(3).random(100)
    order_of(40, 3, 6)
    np.testing.assert_array_equal(first, epoch_order(weight, None, 3, 7))


def test_examples_are_drawn_in_proportion_to_their_weight():
    weight = np.repeat([1.0, 3.0], 5000)
    order = epoch_order(weight, None, 0, 1)
    assert len(order) == 10_000
    assert 0.73 < (order >= 5000).mean() < 0.77


def test_an_example_of_no_weight_is_never_drawn():
    assert set(epoch_order(np.array([1.0, 0.0, 2.0]), None, 0, 1)) <= {0, 2}


@given(arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 5)), st.integers(0, 9))
def test_repeats_are_kept_to(repeats, seed):
    repeats[0] += 1
    order = epoch_order(np.full(len(repeats), 0.7), repeats, seed, 1)
    np.testing.assert_array_equal(np.bincount(order, minlength=len(repeats)), repeats)


def test_repeats_and_weights_multiply():
    weight, repeats = np.array([1.0, 3.0, 2.0, 5.0]), np.array([2, 1, 3, 0])
    found = [epoch_order(weight, repeats, seed, 1) for seed in range(2000)]
    assert {len(order) for order in found} == {6}
    shares = np.bincount(np.concatenate(found), minlength=4) / 12_000
    np.testing.assert_allclose(shares, np.array([2, 3, 6, 0]) / 11, atol=0.02)


def test_repeats_are_spread_over_the_epoch():
    order = epoch_order(np.ones(100), np.full(100, 10), 0, 1)
    assert not np.array_equal(order, np.sort(order))
    assert len(set(order[:100])) > 50


@pytest.mark.parametrize(
    ("weight", "repeats", "message"),
    [
        ([1.0, 1.0], [-1, 3], "repeats of 2 examples: 1 below 0, 1 above; allowed: 0 or more"),
        ([1.0, 1.0], [0, 0], "repeats of 2 examples: 0 below 0, 0 above; .* not all 0"),
    ],
)
def test_repeats_that_cannot_be_kept_to_are_refused(weight, repeats, message):
    with pytest.raises(CxrfairError, match=message):
        epoch_order(np.array(weight), np.array(repeats), 0, 1)


@given(ORDERS)
def test_occurrence_counts_earlier_entries_of_the_same_example(order):
    seen = Counter()
    expected = []
    for example in order:
        expected.append(seen[example])
        seen[example] += 1
    np.testing.assert_array_equal(occurrence(order), np.array(expected, np.int64))


@given(st.integers(1, 300), st.integers(1, 64))
def test_batches_hold_everything_in_order_and_are_of_near_equal_size(n, size):
    parts = batches(np.arange(n), size)
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
    sizes = [len(each) for each in parts]
    assert len(sizes) == -(-n // size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_nothing_makes_no_batch():
    assert batches(np.arange(0), 8) == []


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 4))
def test_parts_and_pieces_of_all_processes_are_the_batch(n, world, count):
    batch = np.arange(n) + 100
    parts = [part(batch, rank, world) for rank in range(world)]
    for each in parts:
        cut = pieces(each, count)
        assert len(cut) == count
        np.testing.assert_array_equal(np.concatenate(cut), each)
    assert sorted(np.concatenate(parts)) == list(batch)


@given(st.integers(50, 200), st.integers(1, 3), st.integers(1, 2), st.booleans(), st.data())
def test_processes_and_pieces_see_what_one_alone_would(n, world, count, repeated, data):
    size = data.draw(st.integers(4 * world * count, 48))
    repeats = np.arange(n) % 3 if repeated else None
    order = epoch_order(np.ones(n), repeats, 5, 2)
    whole = plan(order, size, Share())
    shares = [plan(order, size, Share(rank, world, count)) for rank in range(world)]
    assert {len(steps) for steps in shares} == {len(whole)}
    for step, (alone,) in enumerate(whole):
        together = [pick for steps in shares for pick in steps[step]]
        entries = [pair for pick in together for pair in zip(*pick, strict=True)]
        assert sorted(entries) == sorted(zip(*alone, strict=True))
    np.testing.assert_array_equal(np.concatenate([pick.example for (pick,) in whole]), order)
    earlier = np.concatenate([pick.occurrence for (pick,) in whole])
    np.testing.assert_array_equal(earlier, occurrence(order))


@given(st.integers(20, 150), st.integers(0, 9))
def test_a_resumed_epoch_goes_on_with_the_same_batches(n, seed):
    first = plan(order_of(n, seed), 8, Share())
    done = len(first) // 2
    again = plan(order_of(n, seed), 8, Share())[done:]
    for (one,), (other,) in zip(first[done:], again, strict=True):
        np.testing.assert_array_equal(one.example, other.example)
        np.testing.assert_array_equal(one.occurrence, other.occurrence)


def test_a_piece_of_one_image_is_refused_for_every_process_alike():
    for rank in range(2):
        with pytest.raises(
            CxrfairError,
            match=r"9 entries in 2 batches of at most 8, over 2 processes and 2 pieces, leave 1",
        ):
            plan(np.arange(9), 8, Share(rank, 2, 2))
    assert len(plan(np.arange(16), 8, Share(0, 2, 2))) == 2


def test_an_empty_list_is_refused():
    with pytest.raises(CxrfairError, match="0 entries in 0 batches"):
        plan(np.arange(0), 8, Share())


@given(st.integers(4, 200), st.integers(1, 4), st.integers(1, 4))
def test_shares_are_what_the_pieces_of_all_processes_hold(n, world, count):
    found = shares(n, Share(0, world, count))
    assert len(found) == count
    assert sum(found) == pytest.approx(1)
    parts = [pieces(part(np.arange(n), rank, world), count) for rank in range(world)]
    for place, share in enumerate(found):
        assert share * n == pytest.approx(sum(len(cut[place]) for cut in parts))
