import math

import numpy as np
import pytest

from cxrfair.methods import Groups
from cxrfair.methods._adversary import ReversalConfig
from cxrfair.methods.cdann import Cdann

PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.2], [0.5, 0.4, 0.9], [0.2, 0.7, 0.6], [0.6, 0, 1]])
NAN = math.nan
TARGET = np.array([[1.0, 0.0], [0.0, NAN], [1.0, 1.0], [NAN, 0.0], [1.0, 0.0]])
GROUP = [0, 1, 2, 1, 0]
ALPHA, RATE = 0.7, 0.5


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


@pytest.fixture
def method(deep):
    settings = ReversalConfig(alpha=ALPHA, rate=RATE, hidden=6)
    return Cdann(deep(labels=2), Groups(("a", "b", "c"), (2, 2, 1)), settings)


def test_one_step_of_both_players_with_missing_labels_by_hand(method, batch, step):
    n, old = len(TARGET), [array(p) for p in method.adversary.parameters()]
    first, shift, second, last = old
    body, w, b = (array(p) for p in method.net.parameters())
    f = PIXELS @ body.T
    p = 1 / (1 + np.exp(-(f @ w.T + b)))
    known, y = ~np.isnan(TARGET), np.nan_to_num(TARGET)
    weight = known / known.sum(1, keepdims=True) / n  # mean over an image's labels, then images
    loss = -(weight * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum()
    told = np.column_stack([f, np.where(known, y - 0.5, 0)])
    inner = told @ first.T + shift
    hidden = np.maximum(inner, 0)
    raw = np.exp(hidden @ second.T + last)
    guess = raw / raw.sum(1, keepdims=True)
    doubt = -np.log(guess[range(n), GROUP]).mean()
    wrong, off = (guess - np.eye(3)[GROUP]) / n, weight * (p - y)
    below = (wrong @ second) * (inner > 0)
    assert step(method, batch(PIXELS, TARGET, GROUP)) == {
        "learner": pytest.approx(loss, rel=1e-5),
        "adversary": pytest.approx(doubt, rel=1e-5),
    }
    # The head goes down L alone; the features down L and up L_A.
    features = off @ w - ALPHA * (below @ first)[:, :4]
    moves = features.T @ PIXELS, off.T @ f, off.sum(0)
    for now, was, by in zip(method.net.parameters(), (body, w, b), moves, strict=True):
        np.testing.assert_allclose(array(now), was - by, rtol=1e-4, atol=1e-6)
    # The adversary goes down its own loss, at its own rate, on the features of before.
    down = below.T @ told, below.sum(0), wrong.T @ hidden, wrong.sum(0)
    for now, was, by in zip(method.adversary.parameters(), old, down, strict=True):
        np.testing.assert_allclose(array(now), was - RATE * by, rtol=1e-4, atol=1e-6)


def test_a_missing_label_teaches_the_adversary_nothing_of_it(method, batch, step):
    before = method.adversary[0].weight.detach().clone()
    target = np.column_stack([TARGET[:, 0], np.full(5, NAN)])
    target[3] = [1.0, NAN]
    step(method, batch(PIXELS, target, GROUP))
    moved = (method.adversary[0].weight != before).any(0)
    assert moved.tolist() == [True] * 5 + [False]


def test_the_adversary_is_told_the_labels(method, batch):
    target = np.nan_to_num(TARGET)
    shown = [
        list(method.turns(batch(PIXELS, each, GROUP)))[1].shown.item()
        for each in (target, 1 - target)
    ]
    assert shown[0] != shown[1]
