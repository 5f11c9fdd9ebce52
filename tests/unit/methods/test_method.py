import math

import pytest
import torch

from cxrfair.methods._method import masked_bce, mean_per_group

NAN = math.nan


def test_loss_by_hand_is_the_mean_over_the_labels_an_image_has():
    # At logit 0 a label costs ln 2; at logit ln 3, p = 3/4: a positive ln(4/3), a negative ln 4.
    logit = torch.tensor([[0.0, 0.0], [math.log(3), 5.0], [math.log(3), math.log(3)], [1.0, 2.0]])
    target = torch.tensor([[1.0, 0.0], [1.0, NAN], [1.0, 0.0], [NAN, NAN]])
    losses, present = masked_bce(logit, target)
    by_hand = [math.log(2), math.log(4 / 3), (math.log(4 / 3) + math.log(4)) / 2, 0.0]
    assert losses.tolist() == pytest.approx(by_hand)
    assert present.tolist() == [True, True, True, False]


def test_a_label_in_doubt_pulls_towards_one_half():
    # At logit ln 3, p = 3/4: half of ln(4/3) and half of ln 4; at logit 0 there is nothing to gain.
    logit = torch.tensor([[math.log(3)], [0.0]], requires_grad=True)
    losses, _ = masked_bce(logit, torch.tensor([[0.5], [0.5]]))
    by_hand = [(math.log(4 / 3) + math.log(4)) / 2, math.log(2)]
    assert losses.tolist() == pytest.approx(by_hand)
    losses.sum().backward()
    assert logit.grad.flatten().tolist() == pytest.approx([0.25, 0.0])


def test_a_missing_label_gives_no_gradient():
    logit = torch.tensor([[0.3, 0.7]], requires_grad=True)
    masked_bce(logit, torch.tensor([[1.0, NAN]]))[0].sum().backward()
    assert logit.grad.tolist()[0] == pytest.approx([1 / (1 + math.exp(-0.3)) - 1, 0.0])


def test_group_means_by_hand():
    means, present = mean_per_group(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2, 0, 2]), 4)
    assert means.tolist() == [2.0, 0.0, 2.5, 0.0]
    assert present.tolist() == [True, False, True, False]
