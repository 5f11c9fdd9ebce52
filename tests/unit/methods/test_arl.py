import math

import numpy as np
import pytest
import torch

from cxrfair.methods import Groups, Network, Representation
from cxrfair.methods.arl import Arl, ArlConfig

PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7]])
TARGET = np.array([1.0, 0.0, 1.0, 0.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(net, pretrain_steps=0, rate=1.0):
    config = ArlConfig(pretrain_steps=pretrain_steps, rate=rate)
    return Arl(net, Groups(("all",), (4,)), config)


def numbers(layer):
    return layer.weight.detach().numpy()[0].astype(float), float(layer.bias.detach())


def by_hand(method, seen):
    """Return losses, s, and the gradients of both players; `seen` is what the adversary is told."""
    w, b = numbers(method.net.head)
    v, c = numbers(method.adversary)
    p = sigmoid(PIXELS @ w + b)
    loss = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p))
    told = np.column_stack([PIXELS, seen])
    s = sigmoid(told @ v + c)
    weight = 1 + s / s.mean()
    learner = ((weight * (p - TARGET)) @ PIXELS / 4, (weight * (p - TARGET)).mean())
    # J = mean(l) + mean(s l) / mean(s): dJ/ds_i = (l_i - mean(s l) / mean(s)) / (4 mean(s)).
    slope = (loss - (s * loss).mean() / s.mean()) / (4 * s.mean()) * s * (1 - s)
    return (weight * loss).mean(), learner, (slope @ told, slope.sum())


def test_one_step_of_both_players_by_hand(line, batch, step):
    method = made(line(2), rate=0.5)
    objective, learner, adversary = by_hand(method, TARGET - 0.5)
    (w, b), (v, c) = numbers(method.net.head), numbers(method.adversary)
    losses = step(method, batch(PIXELS, TARGET))
    assert losses == {
        "learner": pytest.approx(objective, rel=1e-5),
        "adversary": pytest.approx(-objective, rel=1e-5),
    }
    # The learner goes down the objective, the adversary up, at half the rate.
    after, bias = numbers(method.net.head)
    np.testing.assert_allclose(after, w - learner[0], rtol=1e-4)
    assert bias == pytest.approx(b - learner[1], rel=1e-4)
    after, bias = numbers(method.adversary)
    np.testing.assert_allclose(after, v + 0.5 * adversary[0], rtol=1e-4)
    assert bias == pytest.approx(c + 0.5 * adversary[1], rel=1e-4)


def test_the_adversary_raises_the_weighted_loss(line, batch, step):
    method = made(line(2))
    before, _, _ = by_hand(method, TARGET - 0.5)
    head = method.net.head.state_dict()
    head = {key: value.clone() for key, value in head.items()}
    step(method, batch(PIXELS, TARGET))
    method.net.head.load_state_dict(head)
    after, _, _ = by_hand(method, TARGET - 0.5)
    assert after > before


def test_the_learner_is_alone_for_the_first_steps(line, batch, step):
    method = made(line(2), pretrain_steps=2)
    given = batch(PIXELS, TARGET)
    assert [sorted(step(method, given)) for _ in range(4)] == [
        ["learner"],
        ["learner"],
        ["adversary", "learner"],
        ["adversary", "learner"],
    ]
    assert int(method.step) == 4


def test_alone_it_minimises_the_plain_mean(line, batch, step):
    method = made(line(2), pretrain_steps=1)
    w, b = numbers(method.net.head)
    p = sigmoid(PIXELS @ w + b)
    step(method, batch(PIXELS, TARGET))
    np.testing.assert_allclose(
        numbers(method.net.head)[0], w - (p - TARGET) @ PIXELS / 4, rtol=1e-4
    )


def test_parts_of_one_batch_count_as_one_step_and_agree_on_who_plays(line, batch):
    # As the engine accumulates: each part's first turn, then each part's second, if there is one.
    method = made(line(2), pretrain_steps=1)
    counts = []
    for _ in range(2):
        games = [method.turns(batch(PIXELS, TARGET)) for _ in range(2)]
        rounds = 0
        while (turns := [next(game, None) for game in games])[0] is not None:
            assert None not in turns
            rounds += 1
        counts.append((rounds, int(method.step)))
    assert counts == [(1, 1), (2, 2)]


def test_a_missing_label_is_told_as_half(line, batch, step):
    # Told 0.5 of it (0 in the centred form), the adversary learns nothing about that label.
    method = made(line(2, labels=2))
    before = method.adversary.weight.detach().clone()
    target = np.column_stack([TARGET, np.full(4, math.nan)])
    step(method, batch(PIXELS, target))
    moved = (method.adversary.weight != before)[0]
    assert moved.tolist() == [True, True, True, False]


def test_the_adversary_does_not_move_the_features(batch):
    class Deep(Network):  # a network whose features are learnt
        def __init__(self):
            super().__init__()
            self.width = 3
            self.body, self.head = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)

        def represent(self, image):
            pooled = self.body(image.flatten(1))
            return Representation(pooled.unsqueeze(1), pooled, self.head(pooled), (1, 1))

    method = made(Deep())
    _, second = method.turns(batch(PIXELS, TARGET))
    second.loss.backward()
    assert all(p.grad is None for p in method.net.parameters())
    assert torch.any(method.adversary.weight.grad != 0)
