import numpy as np
import pytest

from cxrfair.methods import Groups
from cxrfair.methods._adversary import ReversalConfig
from cxrfair.methods.dann import Dann

PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.2], [0.5, 0.4, 0.9], [0.2, 0.7, 0.6], [0.6, 0, 1]])
TARGET = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
GROUP = [0, 1, 2, 1, 0]
ALPHA, RATE = 0.7, 0.5


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


@pytest.fixture
def method(deep):
    settings = ReversalConfig(alpha=ALPHA, rate=RATE, hidden=6)
    return Dann(deep(labels=1), Groups(("a", "b", "c"), (2, 2, 1)), settings)


def test_one_step_of_both_players_by_hand(method, batch, step):
    n, old = len(TARGET), [array(p) for p in method.adversary.parameters()]
    first, shift, second, last = old
    body, w, b = (array(p) for p in method.net.parameters())
    f = PIXELS @ body.T
    p = 1 / (1 + np.exp(-(f @ w[0] + b)))
    loss = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).mean()
    inner = f @ first.T + shift
    hidden = np.maximum(inner, 0)
    raw = np.exp(hidden @ second.T + last)
    guess = raw / raw.sum(1, keepdims=True)
    doubt = -np.log(guess[range(n), GROUP]).mean()
    wrong, off = (guess - np.eye(3)[GROUP]) / n, (p - TARGET) / n
    below = (wrong @ second) * (inner > 0)
    assert step(method, batch(PIXELS, TARGET, GROUP)) == {
        "learner": pytest.approx(loss, rel=1e-5),
        "adversary": pytest.approx(doubt, rel=1e-5),
    }
    # The head goes down L alone; the features down L and up L_A.
    features = np.outer(off, w[0]) - ALPHA * below @ first
    moves = features.T @ PIXELS, (off @ f)[None], off.sum()
    for now, was, by in zip(method.net.parameters(), (body, w, b), moves, strict=True):
        np.testing.assert_allclose(array(now), was - by, rtol=1e-4, atol=1e-6)
    # The adversary goes down its own loss, at its own rate, on the features of before.
    down = below.T @ f, below.sum(0), wrong.T @ hidden, wrong.sum(0)
    for now, was, by in zip(method.adversary.parameters(), old, down, strict=True):
        np.testing.assert_allclose(array(now), was - RATE * by, rtol=1e-4, atol=1e-6)


def test_the_adversary_is_not_told_the_labels(method, batch):
    shown = [
        [turn.shown.item() for turn in method.turns(batch(PIXELS, target, GROUP))]
        for target in (TARGET, 1 - TARGET)
    ]
    assert shown[0][1] == shown[1][1]
    assert shown[0][0] != shown[1][0]
