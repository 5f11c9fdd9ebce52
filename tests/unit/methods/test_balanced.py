import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies

from cxrfair.methods import Groups, Listed
from cxrfair.methods._method import NoConfig
from cxrfair.methods.balanced import Balanced
from cxrfair.training.sampling import epoch_order


def chances(group):
    group = np.array(group, np.int64)
    groups = Groups(tuple("abcdef"), tuple(np.bincount(group, minlength=6)))
    method = Balanced(torch.nn.Identity(), groups, NoConfig())
    return method.chances(Listed(np.full((len(group), 1), math.nan, "float32"), ("edema",), group))


def test_chances_by_hand():
    # 8 entries in groups of 4, 2, 1 and 1: each group has a quarter, 2 of 8.
    found = chances([0, 0, 1, 0, 2, 1, 0, 3])
    assert found.tolist() == [0.5, 0.5, 1, 0.5, 2, 1, 0.5, 2]
    assert found.dtype == np.float64


def test_an_absent_group_has_no_share():
    # Group 1 is nowhere: the two others have half each, 2 of 4.
    assert chances([0, 2, 2, 2]).tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])


def test_one_group_is_drawn_as_without():
    assert chances([0, 0, 0]).tolist() == [1, 1, 1]


@given(strategies.lists(strategies.integers(0, 5), min_size=1, max_size=60))
def test_every_group_has_the_same_expected_share(group):
    found = chances(group)
    share = np.bincount(group, weights=found)[np.unique(group)] / found.sum()
    assert share == pytest.approx(1 / len(share))
    assert found.sum() == pytest.approx(len(group))


def test_epochs_hold_every_group_about_equally_often():
    group = np.repeat([0, 1, 2], [900, 90, 10])
    order = epoch_order(chances(group), None, seed=0, epoch=1)
    # Binomial of 1000 draws at a third: standard deviation 14.9.
    assert np.bincount(group[order]) == pytest.approx([1000 / 3] * 3, abs=5 * 14.9)


def test_its_loss_is_the_mean_over_images_whatever_their_group(line, batch, step):
    net = line()
    for parameter in net.head.parameters():
        parameter.data.zero_()
    method = Balanced(net, Groups(("a", "b"), (2, 1)), NoConfig())
    losses = step(method, batch(np.eye(3), [[1], [0], [0]], [0, 0, 1]))
    assert losses == {"learner": pytest.approx(math.log(2))}
    # Gradient of each logit: (p - y) / n; a step of 1 against it.
    assert net.head.weight.tolist()[0] == pytest.approx([1 / 6, -1 / 6, -1 / 6])
