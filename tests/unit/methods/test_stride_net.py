import numpy as np
import pytest
import torch

from cxrfair.methods import Batch, Groups
from cxrfair.methods.stride_net import StrideNet, StrideNetConfig

PIXELS = np.random.default_rng(8).uniform(0, 1, (4, 1, 5, 3))
TEXT = np.random.default_rng(9).normal(size=(2, 6))
TARGET = np.array([1.0, 0.0, 1.0, 0.0])
GROUP = np.array([0, 1, 1, 0])
TRUE = [0, 1, 0, 1]  # the phrase of each image
SETTINGS = {
    "align": 0.6,
    "balance": 0.7,
    "regulariser": "cross_group",
    "epsilon": 0.1,
    "confuse": 0.8,
    "keep": 0.4,
    "temperature": 0.5,
    "hidden": 5,
    "rate": 0.3,
}
KEPT, STEP = 2, 0.5  # of five patches


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def softmax(values):
    raw = np.exp(values - values.max(-1, keepdims=True))
    return raw / raw.sum(-1, keepdims=True)


def relevance(net):
    tokens, words = PIXELS[:, 0] @ net["body"].T, TEXT @ net["map"].T
    norm = np.linalg.norm(tokens, axis=2)[..., None] * np.linalg.norm(words, axis=1)
    cosine = tokens @ words.T / norm
    return tokens, cosine, cosine / SETTINGS["temperature"] + net["mask"]


def guess(head, pooled):
    first, shift, second, last = head
    inner = pooled @ first.T + shift
    share = softmax(np.maximum(inner, 0) @ second.T + last)
    return inner, share, -np.log(share[range(4), GROUP]).mean()


def objective(net, adversary, at):
    """Return L_c and all of L; what is selected, and by how much, is that of `at`.

    The softmax over all patches takes the place of the choice where L is differentiated.
    """
    _, _, score = relevance(at)
    chosen, soft = np.zeros((4, 5)), softmax(score.max(2))
    kept = np.argsort(-score.max(2), axis=1)[:, :KEPT]
    for i, places in enumerate(kept):
        chosen[i, places] = softmax(score.max(2)[i, places])
    tokens, cosine, now = relevance(net)
    weight = chosen + softmax(now.max(2)) - soft
    pooled = np.einsum("np,npd->nd", weight, tokens)
    p = 1 / (1 + np.exp(-(pooled @ net["head"][0] + net["bias"])))
    label = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).mean()
    costs = [1 - cosine[i, kept[i], TRUE[i]] for i in range(4)]
    first, second = [c.mean() for c in costs], [(c**2).mean() for c in costs]
    pairs = [second[i] + second[j] - 2 * first[i] * first[j] for i, j in ((0, 2), (1, 3))]
    aligned = SETTINGS["balance"] * np.mean(first) + (1 - SETTINGS["balance"]) * np.mean(pairs)
    doubt = guess(adversary, pooled)[2]
    return label, label + SETTINGS["align"] * aligned - SETTINGS["confuse"] * doubt, pooled


@pytest.fixture
def batch():
    given = (torch.tensor(x, dtype=torch.float32) for x in (PIXELS, TARGET[:, None]))
    return Batch(*given, torch.tensor(GROUP), torch.arange(4))


@pytest.fixture
def method(patched):
    config = StrideNetConfig(**SETTINGS)
    net = StrideNet.build(patched(), config, torch.tensor(TEXT, dtype=torch.float32))
    with torch.no_grad():
        net.mask.normal_(0, 0.3, generator=torch.Generator().manual_seed(6))
    return StrideNet(net, Groups(("a", "b"), (2, 2)), config)


def parts(method):
    return {
        "body": method.net.body.body.weight,
        "head": method.net.head.weight,
        "bias": method.net.head.bias,
        "map": method.net.to_patches.weight,
        "mask": method.net.mask,
    }


def test_one_step_of_all_players_by_hand(method, batch, step, slopes):
    net, heads = parts(method), (method.adversary, method.reader)
    old = {key: array(value) for key, value in net.items()}
    was = [[array(p) for p in head.parameters()] for head in heads]
    label, _, pooled = objective(old, was[0], old)
    down = slopes(lambda arrays: objective(arrays, was[0], old)[1], old)
    doubts = [guess(head, pooled)[2] for head in was]
    assert step(method, batch, STEP) == {
        "learner": pytest.approx(label, rel=1e-5),
        "adversary": pytest.approx(doubts[0], rel=1e-5),
        "reader": pytest.approx(doubts[1], rel=1e-5),
    }
    for key, now in net.items():
        np.testing.assert_allclose(array(now), old[key] - STEP * down[key], rtol=1e-3, atol=2e-5)
    # Each head goes down its own loss on what was pooled before; the adversary at its own rate.
    for head, before, rate in zip(heads, was, (SETTINGS["rate"], 1.0), strict=True):
        inner, share, _ = guess(before, pooled)
        wrong = (share - np.eye(2)[GROUP]) / 4
        below = (wrong @ before[2]) * (inner > 0)
        moves = below.T @ pooled, below.sum(0), wrong.T @ np.maximum(inner, 0), wrong.sum(0)
        for now, then, by in zip(head.parameters(), before, moves, strict=True):
            np.testing.assert_allclose(array(now), then - STEP * rate * by, rtol=1e-3, atol=1e-6)


def test_the_networks_step_raises_the_adversarys_loss(patched, batch):
    def doubt(method):
        pooled = method.net.attend(batch.image).pooled
        return torch.nn.functional.cross_entropy(method.adversary(pooled), batch.group).item()

    moved = []
    for confuse in (0.0, 20.0):
        config = StrideNetConfig(**(SETTINGS | {"confuse": confuse, "align": 0.0, "hidden": 40}))
        net = StrideNet.build(patched(), config, torch.tensor(TEXT, dtype=torch.float32))
        torch.manual_seed(1)
        method = StrideNet(net, Groups(("a", "b"), (2, 2)), config)
        before = doubt(method)
        turn = next(method.turns(batch))
        turn.loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter.sub_(1e-3 * parameter.grad)
        moved.append(doubt(method) - before)
    assert moved[1] > 0
    assert moved[1] > moved[0]


def test_who_reads_the_group_does_not_move_the_network(method, batch):
    *_, last = method.turns(batch)
    assert last.player == "reader"
    last.loss.backward()
    assert all(p.grad is None for p in (*method.net.parameters(), *method.adversary.parameters()))
    assert all(p.grad.abs().sum() > 0 for p in method.reader.parameters())


def test_labels_are_read_from_the_selected_patches_alone(method, batch):
    seen = method.net.attend(batch.image)
    image = batch.image.clone()
    for i in range(4):
        left_out = np.setdiff1d(np.arange(5), seen.kept[i])
        image[i, 0, left_out] *= 0.5  # as close to every phrase as before
    torch.testing.assert_close(method.net(image), seen.logit)


def test_a_batch_of_one_group_is_learnt_from(method, batch, step):
    alone = Batch(batch.image, batch.target, torch.zeros_like(batch.group), batch.index)
    losses = step(method, alone)
    assert all(np.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p).all() for p in method.parameters())
