"""Trials side by side: each is what torch's own optimiser and autograd make of it alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cxrfair.heads import HeadError, Known, Material, _batched
from cxrfair.heads._batched import Fairness, Learning, positive_weights, train
from cxrfair.heads._rates import SoftRates
from cxrfair.heads._sample import balanced, imbalanced, start

WEIGHT = torch.tensor([0.5, 0.7, 0.6])
SETTINGS = {
    **{"learning_rate": 0.01, "weight_decay": 0.1, "batch_size": 8, "epochs": 2},
    "weighted_bce": True,
}


def learning(**changes):
    return Learning(**{**SETTINGS, **changes})


def soft_rates(denominator, score, target, group, groups):
    """Return fpr + fnr, pair by pair."""
    total = score.sum() * 0
    for g in range(groups):
        for k in range(target.shape[1]):
            own, rest = group == g, (group != g) & (group >= 0)
            for kind, error in ((0, score[:, k]), (1, 1 - score[:, k])):
                among = target[:, k] == kind
                certain = own & ((target[:, k] == 0) | (target[:, k] == 1))
                mine, others = error[among & own], error[among & rest]
                if denominator == "group" and certain.any():
                    part = mine.sum() / certain.sum()
                elif denominator == "conditional" and len(mine):
                    part = mine.mean()
                elif denominator == "gap" and len(mine) and len(others):
                    part = (mine.mean() - others.mean()).abs()
                else:
                    continue
                total = total + WEIGHT[k] / WEIGHT.sum() * part / groups
    return total


def entropy(logit, target, weigh):
    """Return the mean over images that have a label of the mean over the labels they have."""
    losses = []
    for row, said in zip(logit, target, strict=True):
        known = ~said.isnan()
        if known.any():
            losses.append(
                functional.binary_cross_entropy_with_logits(
                    row[known], said[known], pos_weight=weigh[known]
                )
            )
    return torch.stack(losses).mean() if losses else logit.sum() * 0


def one_by_one(material, config, sampler, place, fairness):
    """Train the head of one trial with nn.Linear, torch.optim.Adam and autograd."""
    known, groups = material.train, len(material.groups)
    begun = start(sampler, (len(material.labels), known.features.shape[1]), config.epochs, place)
    head = torch.nn.Linear(known.features.shape[1], len(material.labels))
    with torch.no_grad():
        head.weight.copy_(torch.tensor(begun.weight))
        head.bias.copy_(torch.tensor(begun.bias))
    adam = torch.optim.Adam(
        head.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    weigh = torch.ones(len(material.labels))
    if config.weighted_bce:
        positive = (known.target == 1).sum(0)
        weigh = torch.tensor(positive[0] / positive, dtype=torch.float32)
    x, y, a = (torch.tensor(part) for part in (known.features, known.target, known.group))
    for rows in begun.rows:
        for part in torch.tensor(rows).split(config.batch_size):
            logit = head(x[part])
            loss = entropy(logit, y[part], weigh)
            if fairness:
                alpha, denominator = fairness
                pushed = soft_rates(denominator, logit.sigmoid(), y[part], a[part], groups)
                loss = loss + alpha * pushed
            adam.zero_grad()
            loss.backward()
            adam.step()
    return head.weight.detach().numpy(), head.bias.detach().numpy()


FAIRNESS = [None, (1.0, "group"), (2.0, "conditional"), (0.5, "gap")]


@pytest.mark.parametrize("fairness", FAIRNESS, ids=str)
@pytest.mark.parametrize("weighted", [True, False])
def test_batched_trials_equal_trials_one_by_one(material, trials, fairness, weighted):
    """With labels missing and in doubt, and batches of 8, 8, 8 and 6 images."""
    config = learning(weighted_bce=weighted)
    sampler = balanced(material.train.group, material.groups, 10)
    pushed = Fairness(fairness[0], SoftRates(fairness[1], WEIGHT)) if fairness else None
    found = train(material, config, sampler, trials(4), pushed)
    for trial in range(4):
        weight, bias = one_by_one(material, config, sampler, (5, trial), fairness)
        np.testing.assert_allclose(found.weight[trial], weight, atol=1e-5)
        np.testing.assert_allclose(found.bias[trial], bias, atol=1e-5)


def test_images_in_no_group_learn_from_cross_entropy_alone(material, trials):
    sampler = imbalanced(len(material.train.group), 90)
    pushed = Fairness(1.0, SoftRates("gap", WEIGHT))
    found = train(material, learning(), sampler, trials(1), pushed)
    weight, bias = one_by_one(material, learning(), sampler, (5, 0), (1.0, "gap"))
    np.testing.assert_allclose(found.weight[0], weight, atol=1e-5)
    np.testing.assert_allclose(found.bias[0], bias, atol=1e-5)


def test_the_first_step_is_worked_out_by_hand(trials):
    """Two images in a batch, two labels, no decay: Adam's first step is the rate times the sign of
    the slope, and each logit falls for negatives and rises for positives."""
    x = np.array([[1, -2], [1, -2]], np.float32)
    known = Known(x, np.array([[1, 0], [1, 0]], np.float32), np.zeros(2, np.int64))
    material = Material(("p", "n"), ("all",), known, known)
    config = learning(weight_decay=0.0, epochs=1, weighted_bce=False)
    sampler = imbalanced(2, 2)
    found = train(material, config, sampler, trials(1, seed=0))
    begun = start(sampler, (2, 2), 1, (0, 0))
    np.testing.assert_allclose(
        found.weight[0] - begun.weight, [[0.01, -0.01], [-0.01, 0.01]], atol=1e-6
    )
    np.testing.assert_allclose(found.bias[0] - begun.bias, [0.01, -0.01], atol=1e-6)


def test_a_trial_is_the_same_whatever_it_shares_a_program_with(material, trials, monkeypatch):
    sampler = imbalanced(90, 30)
    ten = train(material, learning(), sampler, trials(10))
    eight = train(material, learning(), sampler, trials(8))
    monkeypatch.setitem(_batched.BYTES, "cpu", 1)
    alone = train(material, learning(), sampler, trials(8))
    for other in (eight, alone):
        np.testing.assert_allclose(ten.weight[:8], other.weight, atol=1e-6)
    assert (ten.weight[1] != ten.weight[0]).any()
    assert (train(material, learning(), sampler, trials(1, seed=6)).weight != ten.weight[0]).any()


def test_twice_the_same_is_the_same_to_the_last_bit(material, trials):
    one, other = (train(material, learning(), imbalanced(90, 30), trials()) for _ in range(2))
    np.testing.assert_array_equal(one.weight, other.weight)
    np.testing.assert_array_equal(one.bias, other.bias)


def test_chunks_hold_every_trial_once_and_no_more_than_fits(trials):
    """512 features, 14 labels, batches of 32: 4 (32 + 56) 512 bytes a trial, 23 in 4 MiB."""
    chunks = _batched._chunks(trials(100), (14, 512), 32)
    assert [trial for chunk in chunks for trial in chunk] == list(range(100))
    assert max(map(len, chunks)) == 23


def test_weights_of_positives_are_worked_out_by_hand():
    """Two images without findings; edema has one positive, mass four."""
    target = np.array(
        [[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1], [0, np.nan, 1], [0, 0.5, 1]], np.float32
    )
    assert positive_weights(target, ("no_finding", "edema", "mass")).tolist() == [1, 2, 0.5]
    assert positive_weights(target[:, 1:], ("edema", "mass")).tolist() == [2, 0.5]


def test_a_label_that_cannot_be_weighed_is_refused():
    target = np.array([[0, 1], [0, 0]], np.float32)
    with pytest.raises(HeadError, match="cannot weigh edema; it needs some"):
        positive_weights(target, ("edema", "mass"))
    with pytest.raises(HeadError, match="0 without findings, and weighted_bce cannot weigh mass"):
        positive_weights(target[:1, 1:], ("mass",))
