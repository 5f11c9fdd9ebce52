import math

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
