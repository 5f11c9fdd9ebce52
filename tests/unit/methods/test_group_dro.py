import math

import numpy as np
import pytest
import torch

from cxrfair.methods import Groups
from cxrfair.methods.group_dro import GroupDro, GroupDroConfig


def made(step_size=0.5, groups=2):
    names = tuple("abcdef"[:groups])
    return GroupDro(
        torch.nn.Linear(1, 1), Groups(names, (1,) * groups), GroupDroConfig(step_size=step_size)
    )


def test_weights_and_loss_equal_algorithm_1_by_hand():
    # Group means 2 and 1; q from (1/2, 1/2): exp(0.5 * 2), exp(0.5 * 1), renormalised.
    method = made()
    loss = method.objective(torch.tensor([1.0, 3.0, 1.0]), torch.tensor([0, 0, 1]))
    up, down = math.exp(1.0), math.exp(0.5)
    q = torch.tensor([up, down]) / (up + down)
    torch.testing.assert_close(method.weight, q)
    assert float(loss) == pytest.approx(float(2 * q[0] + 1 * q[1]))


def test_an_absent_group_keeps_its_share_relative_to_a_group_without_loss():
    method = made(groups=3)
    method.objective(torch.tensor([0.0, 1.0]), torch.tensor([0, 1]))
    assert float(method.weight[2]) == pytest.approx(float(method.weight[0]))
    assert float(method.weight.sum()) == pytest.approx(1.0)


def test_the_step_size_decides_how_fast_weights_move():
    slow, fast = made(0.01), made(1.0)
    for method in (slow, fast):
        method.objective(torch.tensor([2.0, 0.0]), torch.tensor([0, 1]))
    assert 0.5 < float(slow.weight[0]) < float(fast.weight[0])


def test_weights_rest_in_evaluation():
    method = made().eval()
    method.objective(torch.tensor([2.0, 0.0]), torch.tensor([0, 1]))
    assert method.weight.tolist() == [0.5, 0.5]


PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7], [0.6, 0.1]])
MANY = np.array([[1, 0], [0, math.nan], [1, 1], [math.nan, math.nan], [0, 1]])


@pytest.mark.parametrize("group", [[0, 1, 0, 1, 1], [0, 1, 2, 1, 0]])
@pytest.mark.parametrize("labels", [1, 2])
def test_one_update_of_the_network_by_hand(line, batch, step, group, labels):
    groups, target = max(group) + 1, MANY[:, :labels]
    net = line(2, labels)
    names = tuple("abc"[:groups])
    method = GroupDro(net, Groups(names, (5,) * groups), GroupDroConfig(step_size=0.5))
    weight, bias = (
        p.detach().numpy().astype(float).copy() for p in (net.head.weight, net.head.bias)
    )
    z = PIXELS @ weight.T + bias
    known, y = ~np.isnan(target), np.nan_to_num(target)
    each = (np.log1p(np.exp(z)) - y * z) * known / np.maximum(known.sum(1, keepdims=True), 1)
    losses, dz = each.sum(1), np.zeros_like(z)
    members = [known.any(1) & (np.array(group) == g) for g in range(groups)]
    means = np.array([losses[member].mean() for member in members])
    q = np.exp(0.5 * means) / np.exp(0.5 * means).sum()
    for share, member in zip(q, members, strict=True):
        slope = (1 / (1 + np.exp(-z)) - y) * known / np.maximum(known.sum(1, keepdims=True), 1)
        dz += share * slope * member[:, None] / member.sum()
    assert step(method, batch(PIXELS, target, group)) == {
        "learner": pytest.approx((q * means).sum(), rel=1e-5)
    }
    np.testing.assert_allclose(method.weight.numpy(), q, rtol=1e-5)
    np.testing.assert_allclose(net.head.weight.detach().numpy(), weight - dz.T @ PIXELS, rtol=1e-4)
    np.testing.assert_allclose(net.head.bias.detach().numpy(), bias - dz.sum(0), rtol=1e-4)
