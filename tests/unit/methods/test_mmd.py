import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import rbf_kernel

from cxrfair.methods import Groups
from cxrfair.methods._matching import (
    WIDTHS,
    apart,
    apart_by_label,
    contrasts,
    mmd_squared,
)
from cxrfair.methods.mmd import Mmd, MmdConfig

NAN = math.nan
PIXELS = np.array(
    [
        [0.1, 0.9, 0.4],
        [0.8, 0.3, 0.2],
        [0.5, 0.4, 0.9],
        [0.2, 0.7, 0.6],
        [0.6, 0.0, 1.0],
        [0.3, 0.3, 0.1],
        [0.9, 0.8, 0.5],
        [0.4, 0.6, 0.8],
    ]
)
ONE = np.array([1.0, 0, 1, 0, 1, 1, 0, 1])[:, None]
MANY = np.column_stack([ONE[:, 0], [0, NAN, 1, 1, 0, 0.5, NAN, 1], [1, 0, NAN, NAN, 0, 1, 1, 0]])
MANY[7] = NAN  # an image without any label
GROUP = {2: [0, 1, 0, 1, 1, 0, 0, 1], 3: [0, 1, 2, 0, 1, 2, 0, 1]}
CASES = [(2, ONE), (3, ONE), (2, MANY), (3, MANY)]


def made(net, groups=3, **changes):
    config = MmdConfig(**({"weight": 0.7, "of": "scores"} | changes))
    return Mmd(net, Groups(tuple("abcd"[:groups]), (8,) * groups), config)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def cells(target, group, groups):
    """Return, by label, class and group, which images are in a cell and which in its class."""
    group = np.asarray(group)
    for j in range(target.shape[1]):
        for y in (0, 1):
            whole = np.flatnonzero(target[:, j] == y)
            for g in range(groups):
                cell = [i for i in whole if group[i] == g]
                if cell:
                    yield j, cell, list(whole)


def discrepancy(x, cell, whole):
    """Return MMD^2 between points x of a cell and of its class, and its gradient, pair by pair."""
    total, gradient = 0.0, np.zeros(len(x))
    for some, others, factor in ((cell, cell, 1), (whole, whole, 1), (cell, whole, -2)):
        share = factor / (len(some) * len(others)) / 7
        for a in some:
            for b in others:
                for power in range(-3, 4):
                    d, gamma = x[a] - x[b], 10.0**power
                    each = share * math.exp(-gamma * d * d)
                    total += each
                    gradient[a] -= 2 * gamma * d * each
                    gradient[b] += 2 * gamma * d * each
    return total, gradient


def risk(z, target):
    """Return the mean loss over images and its gradient in the logits."""
    known = ~np.isnan(target)
    y, count = np.nan_to_num(target), known.sum(1)
    entropy = np.log1p(np.exp(z)) - y * z
    share = known / np.maximum(count, 1)[:, None] / (count > 0).sum()
    return (entropy * share).sum(), (sigmoid(z) - y) * share


def by_hand(net, target, group, groups, weight=0.7):
    """Return loss, penalty, and the gradients of the head's weights and biases."""
    z = PIXELS @ array(net.head.weight).T + array(net.head.bias)
    loss, dz = risk(z, target)
    penalty, labels = 0.0, target.shape[1]
    for j, cell, whole in cells(target, group, groups):
        found, of_score = discrepancy(np.log(sigmoid(z[:, j])), cell, whole)
        penalty += found / labels
        dz[:, j] += weight * of_score * (1 - sigmoid(z[:, j])) / labels
    return loss + weight * penalty, penalty, dz.T @ PIXELS, dz.sum(0)


def spread(net):
    """Make scores differ by about one, so that some kernels of each width matter."""
    with torch.no_grad():
        net.head.weight.mul_(4)
    return net


@pytest.mark.parametrize(("groups", "target"), CASES)
def test_loss_and_one_update_by_hand(line, batch, step, groups, target):
    method = made(spread(line(labels=target.shape[1])), groups)
    loss, _, dw, db = by_hand(method.net, target, GROUP[groups], groups)
    weight, bias = array(method.net.head.weight), array(method.net.head.bias)
    losses = step(method, batch(PIXELS, target, GROUP[groups]), rate=0.1)
    assert losses == {"learner": pytest.approx(loss, rel=1e-5)}
    np.testing.assert_allclose(array(method.net.head.weight), weight - 0.1 * dw, rtol=1e-4)
    np.testing.assert_allclose(array(method.net.head.bias), bias - 0.1 * db, rtol=1e-4)


@pytest.mark.parametrize(("groups", "target"), CASES)
@pytest.mark.parametrize("of", ["scores", "features"])
def test_the_discrepancy_is_that_of_scikit_learns_kernel(line, batch, of, groups, target):
    method = made(spread(line(labels=target.shape[1])), groups, of=of)
    (turn,) = method.turns(batch(PIXELS, target, GROUP[groups]))
    z = PIXELS @ array(method.net.head.weight).T + array(method.net.head.bias)
    expected = 0.0
    for j, cell, whole in cells(target, GROUP[groups], groups):
        x = PIXELS if of == "features" else np.log(sigmoid(z[:, [j]]))
        kernel = np.mean([rbf_kernel(x, gamma=10.0**p) for p in range(-3, 4)], axis=0)
        own, all_of_class = kernel[np.ix_(cell, cell)], kernel[np.ix_(whole, whole)]
        expected += own.mean() + all_of_class.mean() - 2 * kernel[np.ix_(cell, whole)].mean()
    assert float(turn.numbers["mismatch"]) == pytest.approx(
        expected / target.shape[1], rel=1e-4, abs=1e-6
    )


def test_widths_are_seven_decades():
    np.testing.assert_allclose(WIDTHS, 10.0 ** np.arange(-3, 4))


def test_which_of_two_groups_is_called_which_changes_nothing(line, batch, step):
    some, others = made(line(labels=3), 2), made(line(labels=3), 2)
    swapped = [1 - g for g in GROUP[2]]
    losses = step(some, batch(PIXELS, MANY, GROUP[2])), step(others, batch(PIXELS, MANY, swapped))
    assert losses[0]["learner"] == pytest.approx(losses[1]["learner"])
    torch.testing.assert_close(some.net.state_dict(), others.net.state_dict())


def test_a_label_twice_weighs_as_much_as_once(line, batch):
    net = line()
    single = made(net)
    (turn,) = single.turns(batch(PIXELS, ONE, GROUP[3]))
    double = made(line(labels=2))
    with torch.no_grad():
        double.net.head.weight.copy_(net.head.weight.expand(2, -1))
        double.net.head.bias.copy_(net.head.bias.expand(2))
    (both,) = double.turns(batch(PIXELS, np.hstack([ONE, ONE]), GROUP[3]))
    assert float(both.shown) == pytest.approx(float(turn.shown))


def test_weights_of_a_cell_are_its_mean_less_that_of_its_class():
    target = torch.tensor([[1.0], [1.0], [0.0], [1.0], [NAN], [0.5]])
    found = contrasts(target, torch.tensor([0, 0, 0, 1, 1, 1]), 3)
    half, third = 1 / 2 - 1 / 3, -1 / 3
    expected = [
        [0, 0, 0, 0, 0, 0],  # negatives of a: all negatives
        [0, 0, 0, 0, 0, 0],  # no negative of b
        [0, 0, 0, 0, 0, 0],  # nobody in c
        [half, half, 0, third, 0, 0],
        [third, third, 0, 1 + third, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_a_cell_of_one_image_is_defined_and_one_group_differs_from_nothing(line, batch):
    alone, together = [0, 0, 1, 0, 0, 0, 0, 0], [0] * 8
    values = []
    for group in (alone, together):
        (turn,) = made(spread(line())).turns(batch(PIXELS, ONE, group))
        values.append(float(turn.numbers["mismatch"]))
    assert values[0] > 0.01
    assert values[1] == 0


def test_equal_scores_have_a_finite_gradient(line, batch):
    for of in ("scores", "features"):
        method = made(line(), of=of)
        image = batch(np.full((8, 3), 0.5), ONE, GROUP[3])
        image.image.requires_grad_()
        (turn,) = method.turns(image)
        turn.loss.backward()
        assert float(turn.numbers["mismatch"]) == pytest.approx(0, abs=1e-6)
        assert torch.isfinite(image.image.grad).all()
        assert torch.isfinite(method.net.head.weight.grad).all()


def test_distances_of_features_and_their_gradient_are_those_of_plain_differences():
    values = torch.tensor(PIXELS, dtype=torch.float32) + 100  # far from 0, where products cancel
    some, others = values.clone().requires_grad_(), values.clone().requires_grad_()
    close = apart(some)
    plain = (others.unsqueeze(1) - others).square().sum(-1).unsqueeze(0)
    torch.testing.assert_close(close, plain, rtol=1e-5, atol=1e-6)
    weight = contrasts(torch.tensor(ONE), torch.tensor(GROUP[3]), 3)
    mmd_squared(close, weight).sum().backward()
    mmd_squared(plain, weight).sum().backward()
    torch.testing.assert_close(some.grad, others.grad, rtol=1e-4, atol=1e-5)


SCORES = st.floats(-20, 0, width=32)


@drawn(arrays(np.float32, (10, 2), elements=SCORES), st.integers(0, 1000))
def test_it_is_never_below_0(scores, seed):
    rng = np.random.default_rng(seed)
    target = torch.tensor(rng.choice([0, 1, NAN], (10, 2)), dtype=torch.float32)
    weight = contrasts(target, torch.tensor(rng.integers(0, 3, 10)), 3)
    assert (mmd_squared(apart_by_label(torch.tensor(scores)), weight) > -1e-6).all()


@drawn(arrays(np.float32, 5, elements=SCORES))
def test_identical_cells_are_0_apart(scores):
    # Three groups with the same five scores among the positives.
    values = torch.tensor(np.tile(scores, 3)[:, None])
    weight = contrasts(torch.ones(15, 1), torch.arange(15) // 5, 3)
    found = mmd_squared(apart_by_label(values), weight)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-6)


def test_different_cells_are_not():
    values = torch.tensor([[-0.1], [-0.2], [-3.0], [-4.0]])
    weight = contrasts(torch.ones(4, 1), torch.tensor([0, 0, 1, 1]), 2)
    assert float(mmd_squared(apart_by_label(values), weight).sum()) > 0.1
