import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.methods import Groups, Method
from cxrfair.methods._method import NoConfig
from cxrfair.methods.ad import Ad, AdConfig, Adversary

PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.2], [0.5, 0.4, 0.9], [0.2, 0.7, 0.6], [0.6, 0, 1]])
TARGET = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
GROUP = [0, 1, 2, 1, 0]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(net, groups=3, **changes):
    settings = {"alpha": 0.7, "odds": True, "rate": 0.5} | changes
    return Ad(net, Groups(tuple("abc"[:groups]), (5,) * groups), AdConfig(**settings))


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def by_hand(method, odds):
    """Return L_P, L_A, their gradients in the network, and that of L_A in the adversary."""
    w, b = array(method.net.head.weight)[0], array(method.net.head.bias)[0]
    c = array(method.adversary.slope)[0]
    u, e = array(method.adversary.guess.weight), array(method.adversary.guess.bias)
    n, z = len(TARGET), PIXELS @ w + b
    p, s = sigmoid(z), sigmoid((1 + abs(c)) * z)
    by = [np.ones(n), TARGET, 1 - TARGET] if odds else [np.ones(n)]
    told = np.column_stack([s * part for part in by])
    raw = np.exp(told @ u.T + e)
    guess = raw / raw.sum(1, keepdims=True)
    wrong = (guess - np.eye(len(e))[GROUP]) / n
    ds = sum(part * (wrong @ u)[:, j] for j, part in enumerate(by)) * s * (1 - s)
    dz = ds * (1 + abs(c))

    def network(of_logit):
        return np.append(of_logit @ PIXELS, of_logit.sum())

    loss = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).mean()
    doubt = -np.log(guess[range(n), GROUP]).mean()
    adversary = (wrong.T @ told, wrong.sum(0), (ds * z).sum() * np.sign(c))
    return loss, doubt, network((p - TARGET) / n), network(dz), adversary


def flat(net):
    return np.append(array(net.head.weight)[0], array(net.head.bias))


@pytest.mark.parametrize(("odds", "slope"), [(True, 1.0), (True, -0.4), (False, 1.0)])
def test_one_step_of_both_players_by_hand(line, batch, step, odds, slope):
    method = made(line(), odds=odds)
    torch.nn.init.constant_(method.adversary.slope, slope)
    loss, doubt, ahead, along, (du, de, dc) = by_hand(method, odds)
    projected = (ahead @ along) / (along @ along) * along
    expected = flat(method.net) - (ahead - projected - 0.7 * along)
    before = copy.deepcopy(method.adversary)
    losses = step(method, batch(PIXELS, TARGET, GROUP))
    # What is logged of the learner is its own loss, not the number made up for its gradient.
    assert losses == {
        "learner": pytest.approx(loss, rel=1e-5),
        "adversary": pytest.approx(doubt, rel=1e-5),
    }
    np.testing.assert_allclose(flat(method.net), expected, rtol=1e-4)
    # The adversary goes down its own loss, at half the rate, on the logits of before.
    now, rate = method.adversary, 0.5
    np.testing.assert_allclose(
        array(now.guess.weight), array(before.guess.weight) - rate * du, rtol=1e-4
    )
    np.testing.assert_allclose(
        array(now.guess.bias), array(before.guess.bias) - rate * de, rtol=1e-4
    )
    assert array(now.slope)[0] == pytest.approx(array(before.slope)[0] - rate * dc, rel=1e-4)


def test_the_adversary_never_moves_the_network(line, batch):
    method = made(line())
    _, second = method.turns(batch(PIXELS, TARGET, GROUP))
    second.loss.backward()
    assert all(p.grad is None for p in method.net.parameters())
    assert all(torch.any(p.grad != 0) for p in method.adversary.parameters())


@drawn(st.integers(0, 1000), st.sampled_from([0.0, 0.3, 2.0]))
def test_what_is_left_along_the_adversary_is_minus_alpha(seed, alpha):
    # g . grad L_A = -alpha |grad L_A|^2, and across it g is the gradient of L_P.
    rng = np.random.default_rng(seed)
    weight = torch.nn.Parameter(torch.tensor(rng.normal(size=(4, 3)), dtype=torch.float32))
    bias = torch.nn.Parameter(torch.tensor(rng.normal(size=4), dtype=torch.float32))
    x = torch.tensor(rng.normal(size=3), dtype=torch.float32)
    net = torch.nn.Linear(3, 4)
    net.weight, net.bias, net.head = weight, bias, torch.nn.Linear(1, 1).requires_grad_(False)
    method = made(net, alpha=alpha)
    out = net(x)
    method._opposed((out**2).sum(), out.sin().sum()).backward()
    g = torch.cat([weight.grad.flatten(), bias.grad])
    ahead = torch.cat(
        [t.flatten() for t in torch.autograd.grad((net(x) ** 2).sum(), (weight, bias))]
    )
    along = torch.cat(
        [t.flatten() for t in torch.autograd.grad(net(x).sin().sum(), (weight, bias))]
    )
    torch.testing.assert_close(g @ along, -alpha * along @ along, rtol=1e-4, atol=1e-4)
    unit = along / along.norm()
    across = g - (g @ unit) * unit
    torch.testing.assert_close(across, ahead - (ahead @ unit) * unit, rtol=1e-4, atol=1e-4)


def test_with_one_group_nothing_but_the_loss_is_left(line, batch, step):
    method = made(line(), groups=1)
    plain = Method(line(), Groups(("all",), (5,)), NoConfig())
    given = batch(PIXELS, TARGET)
    losses = step(method, given)
    step(plain, given)
    assert losses["adversary"] == 0
    torch.testing.assert_close(method.net.state_dict(), plain.net.state_dict())


def test_the_adversary_sees_nothing_of_a_missing_label():
    torch.manual_seed(0)
    adversary = Adversary(2, 3, odds=True)
    target = torch.tensor([[1.0, math.nan]])
    some = adversary(torch.tensor([[0.3, 5.0]]), target)
    others = adversary(torch.tensor([[0.3, -5.0]]), target)
    assert torch.equal(some, others)


def test_against_parity_the_adversary_is_not_told_the_label():
    torch.manual_seed(0)
    adversary, logit = Adversary(1, 2, odds=False), torch.tensor([[0.3]])
    assert torch.equal(adversary(logit, torch.ones(1, 1)), adversary(logit, torch.zeros(1, 1)))
    told = Adversary(1, 2, odds=True)
    assert not torch.equal(told(logit, torch.ones(1, 1)), told(logit, torch.zeros(1, 1)))


def test_parameters_that_are_frozen_or_unused_stay_out_of_it(line, batch, step):
    net = line()
    net.unused = torch.nn.Linear(2, 2)
    net.head.bias.requires_grad_(False)
    method = made(net)
    before = array(net.head.bias)
    step(method, batch(PIXELS, TARGET, GROUP))
    assert array(net.head.bias) == before
    assert torch.isfinite(net.head.weight).all()
