import numpy as np
import ot
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.methods import Batch
from cxrfair.methods import _transport as transport

NAN = float("nan")
EPSILON = 0.1


def costs(n=4, patches=6, phrases=4, seed=0):
    draw = np.random.default_rng(seed)
    return torch.tensor(draw.uniform(0, 2, (n, patches, phrases)), dtype=torch.float32)


TRUE = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=torch.bool)


def test_phrases_are_those_of_positives_or_else_of_what_is_not_there():
    target = torch.tensor([[1, 0, NAN], [0, NAN, 0], [NAN] * 3, [0.5, 0, 1], [0.5, NAN, NAN]])
    assert transport.true_of(target).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


@drawn(st.integers(0, 99), st.sampled_from([0.05, 0.1, 1.0]))
def test_a_plan_carries_every_patch_and_only_to_phrases_that_are_true(seed, epsilon):
    plan = transport.plan(costs(seed=seed), TRUE, epsilon)
    share = TRUE / TRUE.sum(1, keepdim=True)
    torch.testing.assert_close(plan.sum(1), share.float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(plan.sum(2), torch.full((4, 6), 1 / 6), rtol=0, atol=1e-4)
    assert (plan >= 0).all()
    assert not plan.requires_grad


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_the_cost_of_a_plan_is_that_of_pots_own_solver(epsilon):
    cost = costs()
    found, _ = transport.moments(cost, transport.plan(cost, TRUE, epsilon))
    for one, true, value in zip(cost.numpy().astype(float), TRUE.numpy(), found, strict=True):
        some = one[:, true]
        marginals = np.full(len(some), 1 / len(some)), np.full(true.sum(), 1 / true.sum())
        own = ot.sinkhorn(*marginals, some, epsilon, stopThr=1e-12, numItermax=10_000)
        assert float(value) == pytest.approx((own * some).sum(), rel=5e-4)


def test_an_image_without_a_phrase_is_carried_to_all_and_changes_no_other():
    cost, true = costs(), TRUE.clone()
    true[2] = False
    plan = transport.plan(cost, true, EPSILON)
    assert torch.isfinite(plan).all()
    torch.testing.assert_close(plan[2], transport.plan(cost, TRUE, EPSILON)[2])
    alone = transport.plan(cost[:1], true[:1], EPSILON)
    torch.testing.assert_close(plan[:1], alone, rtol=1e-4, atol=1e-6)


def test_groups_are_compared_as_the_double_sum_says():
    cost, draw = costs(), np.random.default_rng(3)
    plan = transport.plan(cost, TRUE, EPSILON)
    compared = torch.tensor(np.triu(draw.random((4, 4)) < 0.7, 1))
    found = transport.between_groups(*transport.moments(cost, plan), compared)
    c, t, total = cost.numpy().astype(float), plan.numpy().astype(float), []
    for i, j in zip(*np.nonzero(compared.numpy()), strict=True):
        squared = (c[i].ravel()[:, None] - c[j].ravel()[None]) ** 2
        total.append((squared * t[i].ravel()[:, None] * t[j].ravel()[None]).sum())
    assert float(found) == pytest.approx(np.mean(total), rel=1e-4)


def test_two_images_are_compared_if_labels_are_equal_and_groups_are_not():
    target = torch.tensor([[1, 0], [1, 0], [1, 0], [1, NAN], [0, 0], [1, NAN], [NAN, NAN]])
    group, some = torch.tensor([0, 1, 1, 0, 1, 2, 0]), torch.tensor([True] * 6 + [False])
    found = transport.pairs(target, group, some)
    assert found.nonzero().tolist() == [[0, 1], [0, 2], [3, 5]]
    nobody = transport.pairs(target, torch.zeros_like(group), some)
    assert not nobody.any()
    assert float(transport.between_groups(torch.ones(7), torch.ones(7), nobody)) == 0


def test_the_cost_of_structure_is_pots_gromov_wasserstein_loss():
    draw = np.random.default_rng(4)
    tokens, words = draw.normal(size=(2, 5, 3)), draw.normal(size=(4, 3))
    plan = transport.plan(costs(2, 5), TRUE[1:3], EPSILON)
    given = (torch.tensor(each, dtype=torch.float32) for each in (tokens, words))
    found = transport.structure(*given, plan)
    for one, carried, value in zip(tokens, plan.numpy().astype(float), found, strict=True):
        inside, between = (ot.dist(x, x, metric="cosine") for x in (one, words))
        marginals = carried.sum(1), carried.sum(0)
        parts = ot.gromov.init_matrix(inside, between, *marginals, loss_fun="square_loss")
        assert float(value) == pytest.approx(ot.gromov.gwloss(*parts, carried), rel=1e-4)


def test_the_loss_weighs_cost_and_regulariser_over_images_that_say_something():
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randn((4, 5, 3), generator=draw)
    words = torch.randn((2, 3), generator=draw)
    target = torch.tensor([[1.0], [0.0], [1.0], [NAN]])
    batch = Batch(tokens, target, torch.tensor([0, 1, 1, 0]), torch.arange(4))
    cost = 1 - transport.cosine(tokens, words).double().numpy()
    true = [0, 1, 0]  # with one phrase an image, every plan is uniform
    first = np.array([cost[i, :, true[i]].mean() for i in range(3)])
    second = np.array([(cost[i, :, true[i]] ** 2).mean() for i in range(3)])
    regular = second[0] + second[2] - 2 * first[0] * first[2]
    settings = {"align": 1.0, "regulariser": "cross_group", "epsilon": 0.1}
    for balance in (0.0, 0.3, 1.0):
        config = transport.TransportConfig(balance=balance, **settings)
        found = transport.alignment(config, tokens, words, batch)
        hand = balance * first.mean() + (1 - balance) * regular
        assert float(found) == pytest.approx(hand, rel=1e-5)
