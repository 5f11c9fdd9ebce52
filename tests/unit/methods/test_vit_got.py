import numpy as np
import ot
import pytest
import torch

from cxrfair.methods import Batch, Groups
from cxrfair.methods.vit_got import TransportConfig, VitGot

NAN = np.nan
PIXELS = np.random.default_rng(8).uniform(0, 1, (6, 1, 4, 3))
TEXT = np.random.default_rng(9).normal(size=(4, 6))
TARGET = np.array([[1, 1], [0, 1], [1, 1], [0, 0], [NAN, NAN], [0, 1]])
GROUP = np.array([0, 1, 1, 0, 1, 0])
PHRASES = [(0, 1), (1,), (0, 1), (2, 3), (), (1,)]  # there, in order, then not there
PAIRS = [(0, 2), (1, 5)]  # equal labels, different groups
SETTINGS = {"align": 0.6, "balance": 0.7, "epsilon": 0.3}
RATE = 0.5


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def distance(some, others):
    some, others = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (some, others))
    return 1 - some @ others.T


def plans(net):
    """Return each labelled image's plan, by another solver of POT."""
    found = {}
    for i in (0, 1, 2, 3, 5):
        cost = distance(PIXELS[i, 0] @ net["body"].T, TEXT[list(PHRASES[i])] @ net["map"].T)
        even = (np.full(size, 1 / size) for size in cost.shape)
        epsilon = SETTINGS["epsilon"]
        found[i] = ot.sinkhorn(*even, cost, epsilon, stopThr=1e-13, numItermax=100_000)
    return found


def objective(net, carried, regulariser):
    """Return L, image by image and pair by pair, for plans that stay as they are."""
    label, first, second, structure = [], {}, {}, []
    for i, plan in carried.items():
        tokens, words = PIXELS[i, 0] @ net["body"].T, TEXT[list(PHRASES[i])] @ net["map"].T
        p = 1 / (1 + np.exp(-(net["head"] @ tokens.mean(0) + net["bias"])))
        label.append(-(TARGET[i] * np.log(p) + (1 - TARGET[i]) * np.log(1 - p)).mean())
        cost = distance(tokens, words)
        first[i], second[i] = (plan * cost).sum(), (plan * cost**2).sum()
        inside, between = distance(tokens, tokens), distance(words, words)
        parts = np.einsum("ij,kl->ijkl", inside, np.ones_like(between)) - between
        structure.append(np.einsum("ijkl,ik,jl->", parts**2, plan, plan))
    pairs = [second[i] + second[j] - 2 * first[i] * first[j] for i, j in PAIRS]
    regular = np.mean(structure if regulariser == "gw" else pairs)
    balance = SETTINGS["balance"]
    aligned = balance * np.mean(list(first.values())) + (1 - balance) * regular
    return np.mean(label), np.mean(label) + SETTINGS["align"] * aligned


@pytest.mark.parametrize("regulariser", ["cross_group", "gw"])
def test_one_step_by_hand(patched, step, slopes, regulariser):
    config = TransportConfig(regulariser=regulariser, **SETTINGS)
    text = torch.tensor(TEXT, dtype=torch.float32)
    method = VitGot(VitGot.build(patched(4, 2), config, text), Groups(("a", "b"), (3, 3)), config)
    net = {
        "body": method.net.body.body.weight,
        "head": method.net.head.weight,
        "bias": method.net.head.bias,
        "map": method.net.to_patches.weight,
    }
    old = {key: array(value) for key, value in net.items()}
    carried = plans(old)
    down = slopes(lambda arrays: objective(arrays, carried, regulariser)[1], old)
    given = (torch.tensor(x, dtype=torch.float32) for x in (PIXELS, TARGET))
    batch = Batch(*given, torch.tensor(GROUP), torch.arange(6))
    assert step(method, batch, RATE) == {
        "learner": pytest.approx(objective(old, carried, regulariser)[0], rel=1e-5)
    }
    for key, now in net.items():
        np.testing.assert_allclose(array(now), old[key] - RATE * down[key], rtol=1e-3, atol=2e-5)


def test_with_one_group_nothing_is_compared(patched):
    text = torch.tensor(TEXT, dtype=torch.float32)
    given = (torch.tensor(x, dtype=torch.float32) for x in (PIXELS, TARGET))
    batch = Batch(*given, torch.zeros(6, dtype=torch.int64), torch.arange(6))
    shown = []
    for balance in (0.2, 1.0):
        config = TransportConfig(align=1.0, balance=balance, regulariser="cross_group", epsilon=0.3)
        net = VitGot.build(patched(4, 2), config, text)
        torch.nn.init.ones_(net.to_patches.weight)
        (turn,) = VitGot(net, Groups(("all",), (6,)), config).turns(batch)
        shown.append(turn.numbers["alignment"].item())
    assert shown[0] == pytest.approx(0.2 * shown[1])
