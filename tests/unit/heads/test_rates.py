"""Soft rates: numbers worked out by hand, slopes against autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.heads._rates import Batch, SoftRates, label_weights

NAN = float("nan")


def batch(target, group, groups):
    target = torch.tensor(target)[None]
    member = (torch.tensor(group)[:, None] == torch.arange(groups)).float()[None]
    return Batch((target == 0).float(), (target == 1).float(), member)


def rate(score, among, own):
    """Return the mean error of `own` images among those of a class; None where there is none."""
    return (score * among * own).sum() / (among * own).sum() if (among * own).any() else None


def value(denominator, score, target, group, groups, weight):
    """Return fpr + fnr as the paper writes them: a loop over pairs of group and label."""
    target, group = torch.tensor(target), torch.tensor(group)
    total, every = 0.0, weight.sum() * groups
    for g in range(groups):
        for k in range(target.shape[1]):
            own, rest = (group == g).float(), ((group != g) & (group >= 0)).float()
            for kind, error in ((0, score[:, k]), (1, 1 - score[:, k])):
                among = (target[:, k] == kind).float()
                certain = own * ((target[:, k] == 0) | (target[:, k] == 1))
                here = rate(error, among, own)
                there = rate(error, among, rest)
                if denominator == "group" and certain.any():
                    part = (error * among * own).sum() / certain.sum()
                elif denominator == "conditional" and here is not None:
                    part = here
                elif denominator == "gap" and here is not None and there is not None:
                    part = (here - there).abs()
                else:
                    continue
                total = total + weight[k] * part / every
    return total


# One label, five images: group 0 has negatives at 0.2 and 0.6 and a positive at 0.9; group 1 has a
# negative at 0.1 and a positive at 0.3.
SCORE = [[0.2], [0.6], [0.9], [0.1], [0.3]]
TARGET = [[0.0], [0.0], [1.0], [0.0], [1.0]]
GROUP = [0, 0, 0, 1, 1]
BY_HAND = {
    # Slopes are one over the group's size, halved: fpr is (0.8/3 + 0.1/2) / 2.
    "group": (0.158333 + 0.191667, [1 / 6, 1 / 6, -1 / 6, 1 / 4, -1 / 4]),
    # One over the group's images of that class, halved: fpr is (0.8/2 + 0.1/1) / 2.
    "conditional": (0.25 + 0.4, [1 / 4, 1 / 4, -1 / 2, 1 / 2, -1 / 2]),
    # both gaps of fpr are 0.3, of fnr 0.6: means 0.3 and 0.6. Each image is in two gaps of one
    # sign: group 0's fpr is higher, so its negatives have 2 x 1/2 x 1/2, the other's -2 x 1/2.
    "gap": (0.3 + 0.6, [1 / 2, 1 / 2, 1, -1, -1]),
}


@pytest.mark.parametrize("denominator", BY_HAND)
def test_slopes_are_worked_out_by_hand(denominator):
    total, slopes = BY_HAND[denominator]
    said = value(denominator, torch.tensor(SCORE), TARGET, GROUP, 2, torch.ones(1))
    assert float(said) == pytest.approx(total, abs=1e-5)
    rates = SoftRates(denominator, torch.ones(1))
    found = rates.slope(torch.tensor(SCORE)[None], batch(TARGET, GROUP, 2))
    np.testing.assert_allclose(found[0, :, 0], slopes, rtol=1e-5)


@pytest.mark.parametrize("denominator", BY_HAND)
@given(seed=st.integers(0, 10**6))
def test_slopes_are_those_of_autograd(denominator, seed):
    """Of labels missing and in doubt, images in no group, and groups absent from the batch."""
    rng = np.random.default_rng(seed)
    n, k, g = rng.integers(1, 14), 3, 4
    target = rng.choice([0.0, 1.0, 0.5, NAN], (n, k), p=[0.5, 0.3, 0.1, 0.1]).astype(np.float32)
    group = rng.integers(-1, g, n)
    weight = torch.tensor(rng.random(k), dtype=torch.float32)
    score = torch.tensor(rng.random((n, k)), dtype=torch.float32, requires_grad=True)
    loss = value(denominator, score, target, group, g, weight)
    wanted = np.zeros((n, k))
    if torch.is_tensor(loss):
        loss.backward()
        wanted = score.grad.numpy()
    found = SoftRates(denominator, weight).slope(score.detach()[None], batch(target, group, g))
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)


@pytest.mark.parametrize("denominator", BY_HAND)
def test_trials_do_not_know_one_another(denominator):
    rng = np.random.default_rng(0)
    alone = []
    for _ in range(3):
        target = (rng.random((9, 2)) < 0.5).astype(np.float32)
        alone.append((torch.rand(1, 9, 2), batch(target, rng.integers(0, 3, 9), 3)))
    together = Batch(*(torch.cat(part) for part in zip(*(b for _, b in alone), strict=True)))
    rates = SoftRates(denominator, torch.tensor([0.2, 0.9]))
    found = rates.slope(torch.cat([score for score, _ in alone]), together)
    for number, (score, one) in enumerate(alone):
        torch.testing.assert_close(found[number], rates.slope(score, one)[0])


def test_gaps_are_blind_to_what_all_groups_share():
    """Equal rates everywhere: no pull, where the other two still push every error down."""
    score = torch.full((1, 8, 1), 0.3)
    given = batch([[0.0], [1.0]] * 4, [0, 0, 0, 0, 1, 1, 1, 1], 2)
    assert (SoftRates("gap", torch.ones(1)).slope(score, given) == 0).all()
    assert (SoftRates("conditional", torch.ones(1)).slope(score, given) != 0).all()


def test_label_weights_are_worked_out_by_hand():
    """Of 4 known 1 is positive; of 2 known for certain 1; of 5 none."""
    target = [[1, 1, 0], [0, 0, 0], [0, 0.5, 0], [0, 0.5, 0], [NAN, NAN, 0]]
    found = label_weights(np.array(target, np.float32))
    assert found.tolist() == [0.75, 0.5, 1.0]
