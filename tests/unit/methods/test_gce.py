import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies

from cxrfair.methods import Groups
from cxrfair.methods._losses import entropy, generalised
from cxrfair.methods.gce import Gce, GceConfig

NAN, Q = math.nan, 0.7
PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7]])


def made(net, q=Q):
    return Gce(net, Groups(("all",), (4,)), GceConfig(q=q))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_loss_and_one_update_by_hand(line, batch, step):
    net, y = line(2), np.array([1, 0, 1, 0])
    before = net.head.weight.detach().numpy()[0].copy()
    s = sigmoid(PIXELS @ before.astype(float) + float(net.head.bias.detach()))
    right = np.where(y == 1, s, 1 - s)
    losses = step(made(net), batch(PIXELS, y))
    assert losses == {"learner": pytest.approx(((1 - right**Q) / Q).mean(), rel=1e-5)}
    # d(1 - p^q)/q = -p^(q - 1) dp, and dp/dz = p (1 - p): cross entropy's gradient times p^q.
    expected = before - (right**Q * (s - y)) @ PIXELS / 4
    np.testing.assert_allclose(net.head.weight.detach()[0], expected, rtol=1e-5)


def test_many_labels_missing_and_doubtful_ones_by_hand(line, batch, step):
    # At logit 0 every score is 1/2: each label there is costs (1 - 2^-q) / q, doubt included.
    net = line(2, 3)
    for parameter in net.head.parameters():
        parameter.data.zero_()
    target = [[1, 0, NAN], [0.5, NAN, NAN], [0, 1, 1], [NAN, NAN, NAN]]
    losses = step(made(net), batch(PIXELS, target))
    assert losses == {"learner": pytest.approx((1 - 0.5**Q) / Q)}
    # Gradient of a logit, per label of an image: -+ 2^-q / 2; none of a label in doubt. The third
    # image's are a third each, the first's a half.
    each = 0.5**Q / 2 / 3
    by_hand = each * np.array([1 / 2 - 1 / 3, -1 / 2 + 1 / 3, 1 / 3])
    assert net.head.bias.tolist() == pytest.approx(by_hand, abs=1e-7)


@given(strategies.floats(-8, 8), strategies.sampled_from([0.0, 1.0]))
def test_its_ends_are_cross_entropy_and_absolute_error(logit, target):
    z, y = torch.tensor([[logit]], dtype=torch.float64), torch.tensor([[target]])
    absolute = abs(target - sigmoid(logit))
    assert generalised(z, y, 1).item() == pytest.approx(absolute, abs=1e-12)
    assert generalised(z, y, 1e-7).item() == pytest.approx(entropy(z, y.double()).item(), abs=1e-5)


@pytest.mark.parametrize("score", [-200, 200])
def test_a_hopeless_score_keeps_a_finite_gradient(line, batch, score):
    method = made(line(2))
    with torch.no_grad():
        method.net.head.bias.fill_(score)
    next(iter(method.turns(batch(PIXELS, [1, 0, 1, 0])))).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters())


def test_what_is_wrong_pulls_less_than_by_cross_entropy():
    logit = torch.tensor([[-3.0], [3.0]], requires_grad=True)
    generalised(logit, torch.ones(2, 1), Q).sum().backward()
    wrong, right = logit.grad.abs().flatten().tolist()
    p = sigmoid(-3)
    assert wrong == pytest.approx(p**Q * (1 - p), rel=1e-5)
    assert wrong / (1 - p) < right / p  # shares of cross entropy's pull: p^q, (1 - p)^q
