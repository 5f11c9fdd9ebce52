import math

import numpy as np
import pytest
import torch

from cxrfair.methods import Groups
from cxrfair.methods._adversary import ReversalConfig
from cxrfair.methods.adversarial import Adversarial

PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.2], [0.5, 0.4, 0.9], [0.2, 0.7, 0.6], [0.6, 0, 1]])
TARGET = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
GROUP = [0, 1, 2, 1, 0]
ALPHA, RATE = 0.7, 0.5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(net, labels=1):
    torch.manual_seed(3)
    settings = ReversalConfig(alpha=ALPHA, rate=RATE, hidden=6)
    method = Adversarial(net, Groups(("a", "b", "c"), (2, 2, 1)), settings)
    assert method.adversary[0].in_features == 2 * labels
    return method


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def layers(method):
    """Return the weights and biases of both layers of the adversary."""
    return [array(p) for p in method.adversary.parameters()]


def test_one_step_of_both_players_by_hand(line, batch, step):
    method, n = made(line()), len(TARGET)
    w, b = array(method.net.head.weight)[0], array(method.net.head.bias)[0]
    first, shift, second, last = layers(method)
    z = PIXELS @ w + b
    p = sigmoid(z)
    loss = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).mean()
    told = np.column_stack([z, TARGET - 0.5])
    inner = told @ first.T + shift
    hidden = np.maximum(inner, 0)
    raw = np.exp(hidden @ second.T + last)
    guess = raw / raw.sum(1, keepdims=True)
    doubt = -np.log(guess[range(n), GROUP]).mean()
    # Back through softmax, the second layer, the rectifier and the first, to what was told.
    wrong = (guess - np.eye(3)[GROUP]) / n
    below = (wrong @ second) * (inner > 0)
    back = below @ first
    move = (p - TARGET) / n - ALPHA * back[:, 0]
    assert step(method, batch(PIXELS, TARGET, GROUP)) == {
        "learner": pytest.approx(loss, rel=1e-5),
        "adversary": pytest.approx(doubt, rel=1e-5),
    }
    np.testing.assert_allclose(array(method.net.head.weight)[0], w - move @ PIXELS, rtol=1e-4)
    assert array(method.net.head.bias)[0] == pytest.approx(b - move.sum(), rel=1e-4)
    # The adversary goes down its own loss, at its own rate, on the logits of before.
    down = below.T @ told, below.sum(0), wrong.T @ hidden, wrong.sum(0)
    old = first, shift, second, last
    for now, was, by in zip(layers(method), old, down, strict=True):
        np.testing.assert_allclose(now, was - RATE * by, rtol=1e-4, atol=1e-6)


def test_of_a_missing_label_the_adversary_sees_nothing(line, batch, step):
    # Neither its score nor its truth: no weight on them moves, and its head gets no gradient.
    method = made(line(labels=2), labels=2)
    before = method.adversary[0].weight.detach().clone()
    head = method.net.head.weight.detach().clone()
    target = np.column_stack([TARGET, np.full(5, math.nan)])
    step(method, batch(PIXELS, target, GROUP))
    moved = (method.adversary[0].weight != before).any(0)
    assert moved.tolist() == [True, False, True, False]
    assert torch.equal(method.net.head.weight[1], head[1])
    assert not torch.equal(method.net.head.weight[0], head[0])


def test_the_adversary_is_told_the_scores_and_the_labels(line):
    net = line(labels=2)
    made_of = net.represent(torch.rand(2, 1, 1, 3))
    target = torch.tensor([[1.0, 0.0], [math.nan, 0.5]])
    first, second = made_of.logit.tolist()
    expected = torch.tensor([[*first, 0.5, -0.5], [0.0, second[1], 0.0, 0.0]])
    torch.testing.assert_close(Adversarial.seen(made_of, target), expected)
