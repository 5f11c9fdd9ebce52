import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.methods import Groups, Method
from cxrfair.methods._method import NoConfig
from cxrfair.methods.fair_alm import FairAlm, FairAlmConfig

NAN, ETA = math.nan, 0.6
PIXELS = np.array(
    [[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7], [0.6, 0.1], [0.3, 0.8], [0.9, 0.9]]
)
ONE = np.array([1.0, 1, 1, 0, 1, 0, 1])[:, None]
MANY = np.column_stack([ONE[:, 0], [1, NAN, 1, 1, 0.5, NAN, 0]])
GROUP = {2: [0, 1, 1, 0, 0, 1, 1], 3: [0, 1, 2, 1, 0, 0, 2]}


def made(net, groups=2, eta=ETA):
    config = FairAlmConfig(eta=eta)
    return FairAlm(net, Groups(tuple("abcd"[:groups]), (7,) * groups), config)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def risk(z, target):
    known, y = ~np.isnan(target), np.nan_to_num(target)
    share = known / known.sum(1, keepdims=True) / len(z)
    return ((np.log1p(np.exp(z)) - y * z) * share).sum(), (sigmoid(z) - y) * share


def of_two(losses, old):
    """Return what weighs both losses, and the new multipliers: the formula as it is published."""
    (a, b), (l0, l1) = losses, old
    weights = ETA / 4 + (l0 - l1) / 2, ETA / 4 + (l1 - l0) / 2
    return weights, [(l0 - l1) / 2 + ETA * (a - b) / 2, (l1 - l0) / 2 + ETA * (b - a) / 2]


def of_three(losses, old):
    """Hold each against the mean of the two others; 2/3 of three is what 1/2 is of two."""
    weights, new = [], []
    for s in range(3):
        others = [t for t in range(3) if t != s]
        ahead = 2 / 3 * (old[s] - np.mean([old[t] for t in others]))
        weights.append(ETA / 4 + ahead)
        new.append(ahead + ETA * 2 / 3 * (losses[s] - np.mean([losses[t] for t in others])))
    return weights, new


def by_hand(net, target, group, multiplier):
    """Return loss, gradients of weights and biases, and the multipliers (g, k) afterwards.

    Every group must have a positive of every label.
    """
    z = PIXELS @ array(net.head.weight).T + array(net.head.bias)
    loss, dz = risk(z, target)
    labels, new = target.shape[1], multiplier.copy()
    for j in range(labels):
        chosen = [
            np.flatnonzero((target[:, j] == 1) & (np.array(group) == s))
            for s in range(len(multiplier))
        ]
        means = [-np.log(sigmoid(z[c, j])).mean() for c in chosen]
        formula = of_two if len(multiplier) == 2 else of_three
        weights, new[:, j] = formula(means, multiplier[:, j])
        for c, mean, weight in zip(chosen, means, weights, strict=True):
            loss += weight * mean / labels
            dz[c, j] += weight * (sigmoid(z[c, j]) - 1) / len(c) / labels
    return loss, dz.T @ PIXELS, dz.sum(0), new


@pytest.mark.parametrize(
    ("groups", "target", "group"),
    [
        (2, ONE, GROUP[2]),
        (3, ONE, GROUP[3]),
        (2, MANY, GROUP[2]),
        (3, MANY, GROUP[3]),
    ],
)
def test_two_steps_by_hand(line, batch, step, groups, target, group):
    method, given = made(line(2, target.shape[1]), groups), batch(PIXELS, target, group)
    # Not such as they would come to be, which is with a sum of 0: the formula is for any.
    method.multiplier = torch.linspace(-0.1, 0.4, method.multiplier.numel()).view(groups, -1)
    for _ in range(2):
        old = array(method.multiplier)
        loss, dw, db, new = by_hand(method.net, target, group, old)
        weight, bias = array(method.net.head.weight), array(method.net.head.bias)
        assert step(method, given) == {"learner": pytest.approx(loss, rel=1e-5)}
        np.testing.assert_allclose(array(method.net.head.weight), weight - dw, rtol=1e-4)
        np.testing.assert_allclose(array(method.net.head.bias), bias - db, rtol=1e-4)
        np.testing.assert_allclose(array(method.multiplier), new, rtol=1e-4)
    assert np.abs(new).max() > 0.01


@drawn(st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=2), st.integers(0, 100))
def test_after_a_step_one_multiplier_is_minus_the_other(old, seed):
    net = torch.nn.Linear(1, 1)
    net.head = net
    method = made(net)
    method.multiplier = torch.tensor(old)[:, None]
    means = torch.rand(2, 1, generator=torch.Generator().manual_seed(seed))
    method._step(means, torch.tensor([[True], [True]]))
    first, second = method.multiplier.flatten()
    torch.testing.assert_close(first, -second, rtol=1e-5, atol=1e-6)
    expected = (old[0] - old[1]) / 2 + ETA * float(means[0] - means[1]) / 2
    assert float(first) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_multipliers_of_many_groups_do_not_fade_while_losses_are_equal(line):
    method = made(line(2), 4)
    method.multiplier = torch.tensor([[0.3], [-0.2], [0.1], [-0.2]])
    before = method.multiplier.clone()
    method._step(torch.full((4, 1), 0.7), torch.ones(4, 1, dtype=torch.bool))
    torch.testing.assert_close(method.multiplier, before)


def test_a_group_without_a_positive_has_no_term_and_its_multiplier_stays(line, batch, step):
    method = made(line(2), 3)
    method.multiplier = torch.tensor([[0.5], [-0.3], [-0.2]])
    target = np.where(np.array(GROUP[3])[:, None] == 2, 0, ONE)
    z = PIXELS @ array(method.net.head.weight).T + array(method.net.head.bias)
    loss, _ = risk(z, target)
    means = []
    for s, multiplier in ((0, 0.5), (1, -0.3)):
        chosen = (target[:, 0] == 1) & (np.array(GROUP[3]) == s)
        means.append(-np.log(sigmoid(z[chosen, 0])).mean())
        loss += (ETA / 4 + multiplier) * means[-1]
    losses = step(method, batch(PIXELS, target, GROUP[3]))
    assert losses == {"learner": pytest.approx(loss, rel=1e-5)}
    half = ETA * (means[0] - means[1]) / 2
    np.testing.assert_allclose(
        array(method.multiplier)[:, 0], [0.5 + half, -0.3 - half, -0.2], rtol=1e-4
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_with_nothing_to_compare_the_loss_is_plain_and_nothing_moves(line, batch, step, groups):
    method = made(line(2), groups)
    method.multiplier = torch.full((groups, 1), 0.4)
    plain = Method(line(2), Groups(("all",), (7,)), NoConfig())
    given = batch(PIXELS, ONE, [0] * 7)
    assert step(method, given) == step(plain, given)
    torch.testing.assert_close(method.net.state_dict(), plain.net.state_dict())
    assert method.multiplier.flatten().tolist() == pytest.approx([0.4] * groups)


def test_a_label_in_doubt_is_no_positive(line, batch):
    unsure = np.where(ONE == 1, 0.5, ONE)
    (turn,) = made(line(2)).turns(batch(PIXELS, unsure, GROUP[2]))
    assert float(turn.numbers["penalty"]) == 0


def test_which_of_two_groups_is_called_which_changes_nothing(line, batch, step):
    some, others = made(line(2, 2)), made(line(2, 2))
    swapped = [1 - g for g in GROUP[2]]
    for _ in range(2):
        step(some, batch(PIXELS, MANY, GROUP[2])), step(others, batch(PIXELS, MANY, swapped))
    torch.testing.assert_close(some.net.state_dict(), others.net.state_dict())
    torch.testing.assert_close(some.multiplier, others.multiplier.flip(0))


def test_multipliers_rest_in_evaluation(line, batch):
    method = made(line(2)).eval()
    assert len(list(method.turns(batch(PIXELS, ONE, GROUP[2])))) == 1
    assert not method.multiplier.any()


def test_a_worse_group_comes_to_weigh_more(line, batch, step):
    method = made(line(2), eta=0.05)
    # Group b's positives look like negatives.
    pixels = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 8)
    target, group = [1] * 4 + [1] * 2 + [0] * 6, [0] * 4 + [1] * 8
    for _ in range(60):
        step(method, batch(pixels, target, group))
    assert float(method.multiplier[1]) > 0.2
