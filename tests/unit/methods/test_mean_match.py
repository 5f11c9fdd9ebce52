import math

import numpy as np
import pytest
import torch

from cxrfair.methods import Groups
from cxrfair.methods._matching import MatchConfig
from cxrfair.methods.mean_match import MeanMatch

NAN = math.nan
PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7], [0.6, 0.1], [0.3, 0.8]])
ONE = np.array([1.0, 0, 1, 0, 1, 0])[:, None]
MANY = np.column_stack([ONE[:, 0], [0, NAN, 1, 1, 0.5, 1]])
GROUP = {2: [0, 1, 1, 0, 0, 1], 3: [0, 1, 2, 0, 0, 1]}


def made(net, groups=3, weight=0.7):
    config = MatchConfig(weight=weight)
    return MeanMatch(net, Groups(tuple("abc"[:groups]), (6,) * groups), config)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def by_hand(net, target, group, weight=0.7):
    """Return the loss and the gradients of the head's weights and biases."""
    z = PIXELS @ array(net.head.weight).T + array(net.head.bias)
    known, y, group = ~np.isnan(target), np.nan_to_num(target), np.array(group)
    share = known / known.sum(1, keepdims=True) / len(z)
    loss = ((np.log1p(np.exp(z)) - y * z) * share).sum()
    dz, labels = (sigmoid(z) - y) * share, target.shape[1]
    for j in range(labels):
        score, slope = np.log(sigmoid(z[:, j])), 1 - sigmoid(z[:, j])
        for value in (0, 1):
            whole = target[:, j] == value
            for g in set(group[whole]):
                cell = whole & (group == g)
                gap = score[cell].mean() - score[whole].mean()
                loss += weight * gap**2 / labels
                of_score = cell / cell.sum() - whole / whole.sum()
                dz[:, j] += weight * 2 * gap * of_score * slope / labels
    return loss, dz.T @ PIXELS, dz.sum(0)


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("target", [ONE, MANY], ids=["one", "many"])
def test_loss_and_one_update_by_hand(line, batch, step, groups, target):
    method = made(line(2, labels=target.shape[1]), groups)
    loss, dw, db = by_hand(method.net, target, GROUP[groups])
    weight, bias = array(method.net.head.weight), array(method.net.head.bias)
    losses = step(method, batch(PIXELS, target, GROUP[groups]))
    assert losses == {"learner": pytest.approx(loss, rel=1e-5)}
    np.testing.assert_allclose(array(method.net.head.weight), weight - dw, rtol=1e-4)
    np.testing.assert_allclose(array(method.net.head.bias), bias - db, rtol=1e-4)


def test_means_alone_matter_not_spread(line, batch):
    # log p of the pixel itself: means -2 in both groups, of very different spread.
    net = line(1)
    with torch.no_grad():
        net.head.weight.fill_(1), net.head.bias.zero_()
    score = np.array([-2.1, -1.9, -3.5, -0.5])
    logit = score - np.log1p(-np.exp(score))
    (turn,) = made(net, 2).turns(batch(logit[:, None], np.ones(4), [0, 0, 1, 1]))
    assert float(turn.numbers["mismatch"]) == pytest.approx(0, abs=1e-10)
    (turn,) = made(net, 2).turns(batch(logit[:, None], np.ones(4), [0, 1, 1, 0]))
    # Means -1.3 and -2.7 about -2.
    assert float(turn.numbers["mismatch"]) == pytest.approx(2 * 0.7**2, rel=1e-5)


def test_which_of_two_groups_is_called_which_changes_nothing(line, batch, step):
    some, others = made(line(2, 2), 2), made(line(2, 2), 2)
    swapped = [1 - g for g in GROUP[2]]
    losses = step(some, batch(PIXELS, MANY, GROUP[2])), step(others, batch(PIXELS, MANY, swapped))
    assert losses[0]["learner"] == pytest.approx(losses[1]["learner"])
    torch.testing.assert_close(some.net.state_dict(), others.net.state_dict())


def test_one_group_differs_from_nothing(line, batch):
    (turn,) = made(line(2)).turns(batch(PIXELS, ONE, [1] * 6))
    assert float(turn.numbers["mismatch"]) == 0
