import numpy as np
import pytest

from cxrfair.heads import HeadError
from cxrfair.heads._sample import balanced, generator, imbalanced, start

GROUP = np.array([0] * 6 + [1] * 3 + [-1] * 2 + [0] * 4)


def test_balanced_draws_of_each_group_without_replacement():
    sampler = balanced(GROUP, ("a", "b"), 3)
    rows = sampler.draw(generator(1, 0))
    assert np.bincount(GROUP[rows]).tolist() == [3, 3]
    assert len(set(rows)) == len(rows) == sampler.size == 6
    assert sampler.notes == ("2 training images are in no group and are not drawn",)


def test_of_a_group_with_too_few_all_are_drawn_and_some_again():
    sampler = balanced(GROUP, ("a", "b"), 5)
    rows = sampler.draw(generator(1, 0))
    assert np.bincount(GROUP[rows]).tolist() == [5, 5]
    assert {6, 7, 8} <= set(rows)
    assert sampler.notes[0] == ("group b: 3 images; 2 of the 5 drawn a trial are drawn again")


def test_every_image_of_a_group_is_as_likely():
    sampler = balanced(GROUP, ("a", "b"), 2)
    drawn = np.bincount(
        np.concatenate([sampler.draw(generator(0, t)) for t in range(3000)]), minlength=15
    )
    assert drawn[[9, 10]].sum() == 0
    assert np.abs(drawn[GROUP == 0] / 3000 - 0.2).max() < 0.03
    assert np.abs(drawn[GROUP == 1] / 3000 - 2 / 3).max() < 0.03


def test_a_group_without_an_image_is_refused():
    with pytest.raises(HeadError, match=r"none of 2 groups \(c, d\); each needs one"):
        balanced(GROUP, ("a", "b", "c", "d"), 2)


def test_imbalanced_draws_whatever_the_group():
    sampler = imbalanced(15, 15)
    assert sorted(sampler.draw(generator(0, 0))) == list(range(15))
    assert sampler.notes == ()
    more = imbalanced(15, 18)
    assert set(more.draw(generator(0, 0))) == set(range(15))
    assert "3 of the 18" in more.notes[0]


def test_a_trial_draws_from_its_seed_and_number_alone():
    sampler = imbalanced(50, 20)
    one, again = (start(sampler, (2, 9), 3, (4, 7)) for _ in range(2))
    for part, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(part, same)
    for place in ((4, 8), (5, 7), (5, 6), (7, 4)):
        other = start(sampler, (2, 9), 3, place)
        assert all((a != b).any() for a, b in zip(one, other, strict=True))


def test_heads_start_as_linear_layers_do_and_epochs_differ_in_order_alone():
    """Bounds are 1 / sqrt(d): of 400 features 0.05."""
    begun = start(imbalanced(50, 20), (30, 400), 3, (0, 0))
    assert begun.weight.dtype == begun.bias.dtype == np.float32
    assert 0.0499 < np.abs(begun.weight).max() <= 0.05
    assert np.abs(begun.bias).max() <= 0.05
    assert abs(begun.weight.std() - 0.1 / np.sqrt(12)) < 1e-3
    assert begun.rows.shape == (3, 20)
    assert (np.sort(begun.rows) == np.sort(begun.rows[0])).all()
    assert (begun.rows[0] != begun.rows[1]).any()
