import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import erf

from cxrfair.errors import CxrfairError
from cxrfair.methods import Batch, Groups
from cxrfair.methods.aligner import Aligner, AlignerConfig

DRAW = np.random.default_rng(8)
PIXELS = DRAW.uniform(0, 1, (4, 1, 5, 3))
TEXT = DRAW.normal(size=(4, 6))  # of two labels
TARGET = np.array([[1.0, 1], [0, 1], [1, np.nan], [1, 0]])
# Of the first label the first image guides, and the last; of the second the first alone: the others
# are absent, missing or not annotated.
GUIDED = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], bool)
GUIDES = np.array([[1, 1], [0, 0], [0, 0], [1, 0]], bool)
MASK = DRAW.uniform(0, 1, (4, 2, 5, 3)) * (DRAW.uniform(0, 1, (4, 2, 5, 3)) < 0.6)
SETTINGS = {
    "align": 0.7,
    "pixels": "all",
    "false_positive": 2.5,
    "smooth": 0.8,
    "random_maps": False,
    "layers": 2,
    "heads": 3,
    "feedforward": 4,
    "dropout": 0.0,
}
HEADS, STEP = SETTINGS["heads"], 0.5


@pytest.fixture
def make(patched):
    def build(labels=2, **changes):
        config = AlignerConfig(**(SETTINGS | changes))
        text = TEXT[[*range(labels), *range(2, 2 + labels)]]
        net = Aligner.build(patched(labels=labels), config, torch.tensor(text, dtype=torch.float32))
        torch.nn.init.normal_(net.refiner.last.weight, std=0.3)
        return Aligner(net, Groups(("a",), (4,)), config)

    return build


@pytest.fixture
def given():
    image, target, mask = (torch.tensor(x, dtype=torch.float32) for x in (PIXELS, TARGET, MASK))
    none = torch.zeros(4, dtype=torch.int64)
    return Batch(image, target, none, torch.arange(4), mask, torch.tensor(GUIDED), seed=3, epoch=1)


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def normed(net, name, values):
    centred = values - values.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-5)
    return scaled * net[f"{name}.weight"] + net[f"{name}.bias"]


def affine(net, name, values):
    return values @ net[f"{name}.weight"].T + net.get(f"{name}.bias", 0.0)


def conv(net, name, maps):
    weight = net[f"{name}.weight"]
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    found = np.zeros((len(maps), len(weight), *maps.shape[2:])) + net[f"{name}.bias"][:, None, None]
    for row, column in np.ndindex(3, 3):
        window = padded[:, :, row : row + maps.shape[2], column : column + maps.shape[3]]
        found += np.einsum("ncrk,oc->nork", window, weight[:, :, row, column])
    return found


def answers(net, label):
    """Return the label's logits (4,) and its maps enlarged to the images (4, 5, 3)."""
    tokens = PIXELS[:, 0] @ net["body.body.weight"].T
    memory = normed(net, "memory", tokens)
    query = np.tile(TEXT[label] @ net["to_patches.weight"].T, (4, 1))
    for number in range(SETTINGS["layers"]):
        at = f"layers.{number}"
        looks = normed(net, f"{at}.before", query)
        q = affine(net, f"{at}.looking.query", looks).reshape(4, HEADS, -1)
        k = affine(net, f"{at}.looking.key", memory).reshape(4, 5, HEADS, -1)
        v = affine(net, f"{at}.looking.value", memory).reshape(4, 5, HEADS, -1)
        raw = np.exp(np.einsum("nhe,nphe->nhp", q, k) / math.sqrt(q.shape[2]))
        share = raw / raw.sum(2, keepdims=True)
        found = np.einsum("nhp,nphe->nhe", share, v).reshape(4, -1)
        query = query + affine(net, f"{at}.looking.out", found)
        inner = affine(net, f"{at}.thinking.0", normed(net, f"{at}.between", query))
        query = query + affine(net, f"{at}.thinking.3", np.maximum(inner, 0))
    query = normed(net, "answer", query)
    logit = query @ net["body.head.weight"][label] + net["body.head.bias"][label]
    level = np.log(share.mean(1) * 5 + 1e-3).reshape(4, 1, 5, 1)
    inner = conv(net, "refiner.first", level)
    inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
    maps = 1 / (1 + np.exp(-(level + conv(net, "refiner.last", inner))))[:, 0]
    return logit, maps.repeat(3, axis=2)


def objective(net, label, pixels="all"):
    """Return L_c, L_AL and L of a label."""
    logit, maps = answers(net, label)
    known, costs = ~np.isnan(TARGET[:, label]), []
    p, y = 1 / (1 + np.exp(-logit[known])), TARGET[known, label]
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    for i in np.flatnonzero(GUIDES[:, label]):
        truth = MASK[i, label]
        inside = np.ones((5, 3), bool) if pixels == "all" else truth != 0
        truth, found = truth[inside], maps[i][inside]
        wrong = (SETTINGS["false_positive"] - 1) * (found * (1 - truth)).sum()
        eased = SETTINGS["smooth"] + 1e-6
        part, whole = 2 * (truth * found).sum(), (truth + found).sum() + wrong
        costs.append(1 - (part + eased) / (whole + eased))
    return loss, np.mean(costs), loss + SETTINGS["align"] * np.mean(costs)


@pytest.mark.parametrize("pixels", ["all", "positive"])
def test_one_step_of_two_labels_by_hand(make, given, slopes, pixels):
    method = make(pixels=pixels)
    (player,) = method.players().values()
    for label, turn in enumerate(method.turns(given)):
        # From the weights that the label before left.
        old = {key: array(value) for key, value in method.net.named_parameters()}
        loss, aligned, _ = objective(old, label, pixels)
        assert turn.shown.item() == pytest.approx(loss, rel=1e-4)
        assert turn.numbers["alignment"].item() == pytest.approx(aligned, rel=1e-4)
        method.zero_grad()
        turn.loss.backward()
        down = slopes(lambda arrays, of=label: objective(arrays, of, pixels)[2], old)
        with torch.no_grad():
            for parameter in player.parameters:
                parameter.sub_(STEP * parameter.grad)
        for key, now in method.net.named_parameters():
            expected = old[key] - STEP * down[key]
            np.testing.assert_allclose(array(now), expected, rtol=1e-3, atol=3e-5, err_msg=key)
    assert label == 1


def gradients(method, given):
    """Return the gradients of every turn, without a move between them."""
    found = []
    for turn in method.turns(given):
        method.zero_grad()
        turn.loss.backward()
        found.append({k: p.grad for k, p in method.named_parameters() if p.grad is not None})
    return found


def test_negatives_unguided_and_missing_labels_pass_no_gradient(make, given):
    method = make()
    plain = gradients(method, replace(given, mask=None, guided=None))
    # Everybody has an outline, and those are left who must not guide.
    left = replace(given, mask=torch.rand_like(given.mask), guided=torch.tensor(GUIDED & ~GUIDES))
    for turn, other in zip(gradients(method, left), plain, strict=True):
        for key, gradient in turn.items():
            expected = other.get(key, torch.zeros_like(gradient))
            assert torch.equal(gradient, expected), key
        assert {key for key in turn if key not in other} == {
            f"net.refiner.{layer}.{part}"
            for layer in ("first", "last")
            for part in ("weight", "bias")
        }
    aligned = gradients(method, given)
    assert not torch.equal(aligned[0]["net.memory.weight"], plain[0]["net.memory.weight"])


def test_outlines_of_those_who_do_not_guide_change_nothing(make, given, step):
    some, others = make(), make()
    mask = torch.where(torch.tensor(GUIDES)[..., None, None], given.mask, 1 - given.mask)
    assert step(some, given) == step(others, replace(given, mask=mask))
    for one, other in zip(some.parameters(), others.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_doubtful_positive_does_not_guide(make, given):
    target = torch.full((4, 2), 0.5)
    turns = [
        turn.numbers["alignment"].item() for turn in make().turns(replace(given, target=target))
    ]
    assert turns == [0.0, 0.0]


@pytest.mark.parametrize("guided", [None, torch.zeros((4, 2), dtype=torch.bool)])
def test_without_outlines_the_labels_alone_are_learnt(make, given, guided):
    mask = None if guided is None else torch.zeros(4, 2, 5, 3)
    given = replace(given, mask=mask, guided=guided)
    for turn in make().turns(given):
        assert turn.loss.item() == turn.shown.item()
        assert turn.numbers["alignment"].item() == 0


def test_every_label_has_its_turn_even_one_that_nobody_has(make, given):
    unknown = given.target.clone()
    unknown[:, 0] = math.nan
    first, second = make().turns(replace(given, target=unknown))
    assert first.loss.item() == 0
    assert second.loss.item() > 0
    assert {turn.player for turn in (first, second)} == {"learner"}


def test_a_label_is_learnt_alike_whichever_others_exist(make, given):
    """The first label's turn, in a study of it alone and in one of two."""
    two, one = make(), make(labels=1)
    saved = two.net.state_dict()
    saved |= {key: saved[key][:1] for key in ("body.head.weight", "body.head.bias")}
    one.net.load_state_dict(saved | {"text": saved["text"][[0, 2]]})
    alone = replace(
        given, target=given.target[:, :1], mask=given.mask[:, :1], guided=given.guided[:, :1]
    )
    (ours, *_), (theirs,) = gradients(two, given), gradients(one, alone)
    for key, gradient in theirs.items():
        head = key.startswith("net.body.head")
        torch.testing.assert_close(gradient, ours[key][:1] if head else ours[key], msg=key)


def test_maps_come_to_lie_on_the_outlines(patched):
    """A bright row, outlined: of every second image, and the label says of which."""
    torch.manual_seed(0)
    spot, index = torch.arange(32) % 2 == 1, torch.arange(32)
    place = torch.randint(0, 5, (32,))
    mask = torch.zeros(32, 1, 5, 3)
    mask[index[spot], 0, place[spot]] = 1
    image = torch.rand(32, 1, 5, 3) * 0.2 + 0.8 * mask
    none = torch.zeros(32, dtype=torch.int64)
    given = Batch(image, spot.float()[:, None], none, index, mask, spot[:, None])
    config = AlignerConfig(**(SETTINGS | {"smooth": 0.0}))
    net = Aligner.build(patched(), config, torch.tensor(TEXT[:2], dtype=torch.float32))
    method, losses = Aligner(net, Groups(("a",), (32,)), config), []
    optimiser = torch.optim.Adam(method.parameters(), 1e-2)
    for _ in range(200):
        (turn,) = method.turns(given)
        optimiser.zero_grad()
        turn.loss.backward()
        optimiser.step()
        losses.append(turn.numbers["alignment"].item())
    assert losses[-1] < losses[0] / 2
    _, maps = method.net.eval().draw(image)
    assert torch.equal(maps.flatten(1).argmax(1)[spot], place[spot])


def test_random_maps_are_others_in_each_epoch_and_take_no_heed_of_the_outline(make, given, step):
    def moved(**changes):
        method = make(random_maps=True)
        step(method, replace(given, **changes))
        return method.net.refiner.last.weight.detach()

    first = moved()
    assert torch.equal(first, moved())
    assert torch.equal(first, moved(mask=torch.rand_like(given.mask)))
    assert not torch.equal(first, moved(epoch=2))
    assert not torch.equal(first, moved(seed=4))
    assert not torch.equal(first, moved(index=given.index + 4))
    true = make()
    step(true, given)
    assert not torch.equal(first, true.net.refiner.last.weight)


def test_it_goes_on_from_its_state(make, given, step):
    some, again = make(dropout=0.3), make(dropout=0.3)
    step(some, given)
    again.load_state_dict(copy.deepcopy(some.state_dict()))
    losses = []
    for method in (some, again):
        torch.manual_seed(5)
        losses.append(step(method, given))
    assert losses[0] == losses[1]
    for one, other in zip(some.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_phrases_that_are_not_two_a_label_are_refused(patched):
    with pytest.raises(CxrfairError, match="text: 3 embeddings for 2 labels; allowed: two a label"):
        Aligner.build(patched(labels=2), AlignerConfig(**SETTINGS), torch.zeros(3, 6))
