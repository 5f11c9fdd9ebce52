import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.methods import Batch, Groups
from cxrfair.methods._generator import Generator, Perturbed
from cxrfair.methods.faap import Faap, FaapConfig

NAN = math.nan
PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.0], [0.5, 0.4, 0.9], [1.0, 0.7, 0.6]])
TARGET = np.array([[1.0, 0.0], [0.0, NAN], [NAN, NAN], [1.0, 1.0]])
GROUP = [0, 1, 2, 1]
SETTINGS = {"confuse": 0.4, "entropy": 0.1, "keep": 0.7, "bound": 0.05, "rate": 0.2}
SEEN = np.array([1, 1, 0, 1]) / 3  # what each image counts: the third has no label


def made(net, upstream, groups=3, **changes):
    config = FaapConfig(**(SETTINGS | changes))
    names = Groups(tuple("abc"[:groups]), (4,) * groups)
    return Faap(Faap.build(net, config), names, config, upstream)


@pytest.fixture
def method(line):
    """Make a method over a linear network; only its upstream's weights count."""

    def build(**changes):
        return made(line(labels=2), line(labels=2, seed=7).requires_grad_(False), **changes)

    return build


def real(size=16, labels=2, **changes):
    """Make a method over a network with batch normalisation, and an upstream that has seen data."""
    torch.manual_seed(1)
    upstream = build("test_resnet", "none", labels, size)
    with torch.no_grad():
        upstream(torch.rand(8, 1, size, size))
    upstream.requires_grad_(False).eval()
    return made(build("test_resnet", "none", labels, size), upstream, **changes), upstream


def images(n=6, size=16, seed=0):
    draw = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 2, (n, 2), generator=draw).float()
    image = torch.rand(n, 1, size, size, generator=draw)
    return Batch(image, target, torch.arange(n) % 3, torch.arange(n))


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def guess(layers, features):
    """Run the discriminator; return what each of its four layers reads, and its guesses."""
    read = [features]
    for layer in layers:
        out = read[-1] @ array(layer.weight).T + array(layer.bias)
        read.append(np.maximum(out, 0))
    raw = np.exp(out - out.max(1, keepdims=True))
    return read[:-1], raw / raw.sum(1, keepdims=True)


def back(layers, read, slope):
    """Follow a slope in the discriminator's logits back to its features."""
    for layer, given in zip(reversed(layers), reversed(read), strict=True):
        slope = slope @ array(layer.weight) * (given > 0 if given is not read[0] else 1)
    return slope


def by_hand(method):
    """Return L_G, L_D, the gradients of the generator's last bias and of D's last layer."""
    layers = [layer for layer in method.discriminator if isinstance(layer, torch.nn.Linear)]
    image = torch.tensor(PIXELS, dtype=torch.float32).reshape(4, 1, 1, 3)
    g = array(method.net.generator(image)).reshape(4, 3)
    changed = PIXELS + 0.05 * g
    x = np.clip(changed, 0, 1)
    w, b = array(method.net.head.weight), array(method.net.head.bias)
    p, known = sigmoid(x @ w.T + b), ~np.isnan(TARGET)
    y, of = np.nan_to_num(TARGET), np.maximum(known.sum(1), 1)
    kept = (-(y * np.log(p) + (1 - y) * np.log(1 - p)) * known).sum(1) / of
    read, s = guess(layers, x)
    truth = np.eye(3)[GROUP]
    error, doubt = -np.log((s * truth).sum(1)), -(s * np.log(s)).sum(1)
    loss = SEEN @ (0.7 * kept - 0.4 * error - 0.1 * doubt)
    wrong = (s - truth) * SEEN[:, None]
    # dH/du_j = -s_j (log s_j + H): of the softmax's logits u.
    slope = -0.4 * wrong + 0.1 * s * (np.log(s) + doubt[:, None]) * SEEN[:, None]
    dx = back(layers, read, slope) + 0.7 * ((p - y) * known * (SEEN / of)[:, None]) @ w
    inside = (changed >= 0) & (changed <= 1)
    bias = (dx * inside * 0.05 * (1 - g**2)).sum()
    return loss, SEEN @ error, bias, (wrong.T @ read[-1], wrong.sum(0))


def test_one_step_of_both_players_by_hand(method, batch, step):
    faap = method()
    loss, error, bias, (weight, offset) = by_hand(faap)
    before = copy.deepcopy(faap)
    losses = step(faap, batch(PIXELS, TARGET, GROUP))
    assert losses == {
        "learner": pytest.approx(loss, rel=1e-4),
        "discriminator": pytest.approx(error, rel=1e-5),
    }
    last, old = faap.net.generator.up[-1], before.net.generator.up[-1]
    assert array(last.bias) == pytest.approx(array(old.bias) - bias, rel=1e-4)
    # The discriminator goes down its own loss at a fifth of the rate, on the features of before.
    last, old = faap.discriminator[-1], before.discriminator[-1]
    np.testing.assert_allclose(array(last.bias), array(old.bias) - 0.2 * offset, rtol=1e-4)
    np.testing.assert_allclose(
        array(last.weight), array(old.weight) - 0.2 * weight, rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "change"), [("confuse", -1), ("entropy", -1), ("keep", 1)], ids=str
)
def test_each_term_by_hand_has_its_sign_and_weight(method, batch, name, change):
    given = batch(PIXELS, TARGET, GROUP)
    nothing = {"confuse": 0.0, "entropy": 0.0, "keep": 0.0}
    torch.manual_seed(5)
    faap = method(**nothing | {name: 0.3})
    whole, told = (float(turn.shown) for turn in faap.turns(given))
    layers = [layer for layer in faap.discriminator if isinstance(layer, torch.nn.Linear)]
    x = array(faap.net.sees(given.image)).reshape(4, 3)
    _, s = guess(layers, x)
    term = {
        "confuse": told,
        "entropy": SEEN @ -(s * np.log(s)).sum(1),
        "keep": _cross_entropy(array(faap.net(given.image))),
    }[name]
    assert whole == pytest.approx(0.3 * change * term, rel=1e-5)
    assert term > 0


def _cross_entropy(logit):
    p = sigmoid(logit)
    each = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p))
    return np.mean([np.nanmean(each[i]) for i in (0, 1, 3)])


@drawn(
    st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 1), st.integers(0, 99), st.floats(0, 9)
)
def test_a_change_stays_within_the_bound_and_the_image_within_its_range(
    rows, columns, bound, seed, loud
):
    torch.manual_seed(seed)
    generator = Generator()
    with torch.no_grad():
        generator.up[-1].weight.mul_(10**loud)  # further than any training goes
        image = torch.rand(3, 1, rows, columns).round(decimals=1)
        change = generator(image)
        seen = _perturbed(generator, bound).sees(image)
    assert change.shape == seen.shape == image.shape
    assert change.abs().max() <= 1
    assert 0 <= seen.min() <= seen.max() <= 1
    assert (seen - image).abs().max() <= bound + 1e-6  # a sum in float32 is rounded
    assert torch.isfinite(seen).all()


def _perturbed(generator, bound):
    net = Perturbed(Plain(), bound)
    net.generator = generator
    return net


@drawn(st.integers(0, 99))
def test_at_first_an_image_is_hardly_changed(seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        assert 0 < Generator()(images(size=32).image).abs().mean() < 0.2


class Plain(torch.nn.Module):
    """As much of a network as is asked for before an image is shown to it."""

    width, grid = 3, (1, 1)


@pytest.mark.parametrize("size", [16, 20, 33, 64])
def test_an_image_is_changed_alike_in_whatever_company(size):
    torch.manual_seed(0)
    generator, image = Generator(), images(size=size).image
    with torch.no_grad():
        torch.testing.assert_close(generator(image)[2:3], generator(image[2:3]))


def test_the_order_in_memory_does_not_matter():
    torch.manual_seed(0)
    generator, image = Generator().double(), images().image.double()
    other = copy.deepcopy(generator).to(memory_format=torch.channels_last)
    changes = []
    for net, given in ((generator, image), (other, image.to(memory_format=torch.channels_last))):
        changes.append(net(given))
        changes[-1].square().sum().backward()
    torch.testing.assert_close(*changes)
    for some, others in zip(generator.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(some.grad, others.grad)


def test_sides_are_made_even_around_the_image_and_not_at_its_foot():
    torch.manual_seed(0)
    generator, image = Generator(), images(size=20).image
    whole = torch.nn.functional.pad(image, (2, 2, 2, 2), mode="replicate")
    assert torch.equal(generator(image), generator(whole)[..., 2:22, 2:22])


def test_the_deployed_network_never_changes_and_everything_else_does(step):
    faap, upstream = real()
    before = copy.deepcopy(faap.state_dict())
    faap.train()
    for seed in range(3):
        step(faap, images(seed=seed), rate=0.5)
    after = faap.state_dict()
    deployed = upstream.state_dict()
    assert not faap.net.body.training
    assert faap.net.generator.training
    assert {key for key in after if key.startswith("net.body.")} == {
        f"net.body.{key}" for key in deployed
    }
    for key, value in after.items():
        # What may not move is what was deployed, running statistics included, bit for bit.
        frozen = key.startswith("net.body.")
        assert torch.equal(value, before[key]) == frozen, key
        if frozen:
            assert torch.equal(value, deployed[key.removeprefix("net.body.")])


def test_a_gradient_comes_through_the_frozen_network_to_the_first_layer():
    faap, _ = real(confuse=0.0, entropy=0.0)  # so that it comes from the labels alone
    turn = next(faap.turns(images()))
    turn.loss.backward()
    assert all(torch.any(p.grad != 0) for p in faap.net.generator.parameters())
    assert all(p.grad is None for p in faap.net.body.parameters())


def test_the_discriminator_does_not_move_the_generator():
    faap, _ = real()
    _, second = faap.turns(images())
    second.loss.backward()
    assert all(p.grad is None for p in faap.net.parameters())
    assert all(torch.any(p.grad != 0) for p in faap.discriminator.parameters())


def test_it_starts_from_its_upstream_and_passes_on_what_that_shows():
    faap, upstream = real()
    net, image = faap.net.eval(), images().image
    seen = net.sees(image)
    for found, wanted in zip(net.represent(image), upstream.represent(seen), strict=True):
        assert torch.equal(torch.as_tensor(found), torch.as_tensor(wanted))
    kind, maps = net.draw(image)
    wanted, expected = upstream.draw(seen)
    assert kind == wanted
    assert torch.equal(maps, expected)
    assert not maps.requires_grad
    assert net.width == upstream.width
    assert torch.equal(net.head.weight, upstream.head.weight)


def test_a_copy_is_a_network_of_its_own():
    faap, _ = real()
    copied = copy.deepcopy(faap.net)
    with torch.no_grad():
        copied.head.weight.add_(1)
    assert copied.head is copied.body.head
    assert not torch.equal(copied.head.weight, faap.net.head.weight)


def test_the_discriminator_is_as_wide_as_the_paper_says(method):
    faap = method()
    layers = [layer for layer in faap.discriminator if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [
        (3, 512), (512, 256), (256, 128), (128, 3)
    ]  # fmt: skip


def test_with_one_group_only_the_labels_are_learnt_from(line, batch):
    faap = made(line(labels=2), line(labels=2, seed=7), groups=1)
    loss, told = (float(turn.shown) for turn in faap.turns(batch(PIXELS, TARGET)))
    assert told == 0
    given = batch(PIXELS, TARGET)
    assert loss == pytest.approx(0.7 * _cross_entropy(array(faap.net(given.image))), rel=1e-5)


def test_the_generator_learns_to_hide_what_the_discriminator_has_learnt_to_see(line):
    # One half of each image is brighter by less than the bound; which one tells the group.
    faap = made(line(256, 2), line(256, 2, seed=7), 2, confuse=1.0, keep=0.0, bound=0.2)
    group, draw = torch.arange(24) % 2, torch.Generator().manual_seed(0)
    image = 0.5 + 0.05 * torch.randn(24, 1, 16, 16, generator=draw)
    image[group == 0, ..., :8] += 0.1
    image[group == 1, ..., 8:] += 0.1
    given = Batch(image, torch.ones(24, 2), group, torch.arange(24))
    told = []
    for player, rate in (("discriminator", 1e-3), ("learner", 1e-3)):
        optimiser = torch.optim.Adam(faap.players()[player].parameters, rate)
        for _ in range(25):
            turns = {turn.player: turn for turn in faap.turns(given)}
            optimiser.zero_grad()
            turns[player].loss.backward()
            optimiser.step()
        told.append(float(list(faap.turns(given))[1].shown))
    assert told[0] < 0.1
    assert told[1] > math.log(2)


@pytest.mark.parametrize("labels", [1, 3])
def test_an_upstream_of_another_kind_is_refused(line, labels):
    with pytest.raises(CxrfairError, match=r"train\.backbone: the upstream .* backbone and chan"):
        made(line(labels=2), line(labels=labels))
