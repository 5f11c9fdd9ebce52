import copy
import math

import numpy as np
import pytest
import torch

from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.methods import Batch, Groups
from cxrfair.methods.fair_diagnosis import FairDiagnosis, FairDiagnosisConfig

NAN = math.nan
PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.0], [0.5, 0.4, 0.9], [1.0, 0.7, 0.6]])
TARGET = np.array([[1.0, 0.0], [0.0, NAN], [NAN, NAN], [1.0, 1.0]])
GROUP = [0, 1, 2, 1]
SEEN = np.array([1, 1, 0, 1]) / 3  # what each image counts: the third has no label
SETTINGS = {"bound": 0.2, "entropy": 0.3, "keep": 0.7, "steps": 1, "rate": 0.5}


def made(net, upstream, groups=3, **changes):
    config = FairDiagnosisConfig(**(SETTINGS | changes))
    names = Groups(tuple("abc"[:groups]), (4,) * groups)
    return FairDiagnosis(FairDiagnosis.build(net, config), names, config, upstream)


@pytest.fixture
def method(line):
    """Make a method over a linear network; only its upstream's weights count."""

    def begun(**changes):
        return made(line(labels=2), line(labels=2, seed=7).requires_grad_(False), **changes)

    return begun


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


def convolved(image, weight, bias):
    """Return a map (c, h, w) convolved with kernel 3, stride 2 and one pixel of zeros around it."""
    wide = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    rows, columns = ((side - 1) // 2 + 1 for side in image.shape[1:])
    out = np.empty((len(weight), rows, columns))
    for i, j in np.ndindex(rows, columns):
        part = wide[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        out[:, i, j] = (weight * part).sum((1, 2, 3)) + bias
    return np.maximum(out, 0)


def looked(weights, x):
    """Return what d sees of pictures x (n, 3): (n, 128)."""
    seen = []
    for pixels in x:
        here = 2 * pixels.reshape(1, 1, 3) - 1
        for weight, bias in weights["picture"]:
            here = convolved(here, weight, bias)
        seen.append(here.mean((1, 2)))
    return np.array(seen)


def guess(weights, seen):
    """Return what d makes of what it sees and of TARGET: shares (n, g) of the groups."""
    given = np.concatenate([seen, np.nan_to_num(TARGET), ~np.isnan(TARGET)], 1)
    hidden = np.maximum(given @ weights["w1"].T + weights["b1"], 0)
    raw = np.exp(hidden @ weights["w2"].T + weights["b2"])
    return raw / raw.sum(1, keepdims=True)


def weights_of(method):
    first, _, last = method.discriminator.joined
    picture = [(array(conv.weight), array(conv.bias)) for conv, _ in method.discriminator.picture]
    return {
        "picture": picture,
        "w1": array(first.weight),
        "b1": array(first.bias),
        "w2": array(last.weight),
        "b2": array(last.bias),
    }


def masked(method, move=0.0):
    """Return x~ (n, 3); `move` is added to the generator's last bias, below its tanh."""
    image = torch.tensor(PIXELS, dtype=torch.float32).reshape(4, 1, 1, 3)
    raw = np.arctanh(array(method.net.generator(image)).reshape(4, 3))
    return np.clip(PIXELS + 0.2 * np.tanh(raw + move), 0, 1)


def terms(method, weights, x):
    """Return CE_S, H and CE_Y on masked pictures x."""
    s = guess(weights, looked(weights, x))
    error, doubt = -np.log(s[range(4), GROUP]), -(s * np.log(s)).sum(1)
    p = sigmoid(x @ array(method.net.head.weight).T + array(method.net.head.bias))
    each = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p))
    kept = np.array([0 if np.isnan(row).all() else np.nanmean(row) for row in each])
    return SEEN @ error, SEEN @ doubt, SEEN @ kept


def test_one_step_of_both_players_by_hand(method, batch, step, slopes):
    fair = method()
    weights, before = weights_of(fair), copy.deepcopy(fair)
    error, doubt, kept = terms(fair, weights, masked(fair))
    losses = step(fair, batch(PIXELS, TARGET, GROUP))
    assert losses == {
        "learner": pytest.approx(-error - 0.3 * doubt + 0.7 * kept, rel=1e-4),
        "discriminator": pytest.approx(error, rel=1e-5),
    }

    def of_generator(changed):
        error, doubt, kept = terms(before, weights, masked(before, changed["move"][0]))
        return -error - 0.3 * doubt + 0.7 * kept

    slope = slopes(of_generator, {"move": np.zeros(1)})["move"][0]
    last, old = fair.net.generator.up[-1], before.net.generator.up[-1]
    assert array(last.bias) == pytest.approx(array(old.bias) - slope, rel=1e-4)
    # d goes down its cross entropy alone, at half the rate, on the pictures of before.
    own, after = {key: weights[key] for key in ("b1", "b2", "w2")}, weights_of(fair)
    seen = looked(weights, masked(before))

    def of_discriminator(changed):
        return -SEEN @ np.log(guess(weights | changed, seen)[range(4), GROUP])

    found = slopes(of_discriminator, own)
    for key, slope in found.items():
        np.testing.assert_allclose(after[key], own[key] - 0.5 * slope, rtol=1e-4, atol=1e-6)


def test_alpha_and_beta_are_0_in_the_step_of_the_discriminator(method, batch):
    given, losses, gradients = batch(PIXELS, TARGET, GROUP), [], []
    for entropy, keep in ((0.0, 0.0), (0.3, 0.7), (9.0, 9.0)):
        fair = method(entropy=entropy, keep=keep)
        learner, discriminator = fair.turns(given)
        discriminator.loss.backward()
        losses.append((float(learner.shown), float(discriminator.shown)))
        gradients.append([p.grad for p in fair.discriminator.parameters()])
        assert all(p.grad is None for p in fair.net.parameters())
    assert losses[0][0] == -losses[0][1]
    assert len({learner for learner, _ in losses}) == 3
    assert len({discriminator for _, discriminator in losses}) == 1
    for gradient in gradients[1:]:
        assert all(map(torch.equal, gradient, gradients[0]))
    assert all(torch.any(gradient != 0) for gradient in gradients[0])


@pytest.mark.parametrize("steps", [1, 3])
def test_the_deployed_network_never_changes_and_everything_else_does(step, steps):
    fair, upstream = real(steps=steps)
    before = copy.deepcopy(fair.state_dict())
    fair.train()
    for seed in range(3):
        step(fair, images(seed=seed), rate=0.5)
    after, deployed = fair.state_dict(), upstream.state_dict()
    assert not fair.net.body.training
    assert fair.net.generator.training
    assert {key for key in after if key.startswith("net.body.")} == {
        f"net.body.{key}" for key in deployed
    }
    for key, value in after.items():
        # What may not move is what was deployed, running statistics included, bit for bit.
        frozen = key.startswith("net.body.")
        assert torch.equal(value, before[key]) == frozen, key
        if frozen:
            assert torch.equal(value, deployed[key.removeprefix("net.body.")])


@pytest.mark.parametrize(("keep", "reached"), [(1.0, True), (0.0, False)])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_gradient_comes_through_the_frozen_network_to_the_first_layer(keep, reached, steps):
    fair, _ = real(keep=keep, steps=steps)
    with torch.no_grad():  # d looks at no picture: what is left comes from the labels alone
        fair.discriminator.joined[0].weight[:, :128] = 0
    next(fair.turns(images())).loss.backward()
    found = [torch.any(p.grad != 0) for p in fair.net.generator.parameters()]
    assert all(found) if reached else not any(found)
    assert all(p.grad is None for p in fair.net.body.parameters())


def test_the_discriminator_is_told_the_labels_and_which_are_missing(method, batch):
    fair, target = method(), np.array([[1.0, 0.0], [0.0, 0.0], [NAN, 0.0], [0.0, 1.0]])
    told = []
    fair.discriminator.join = lambda _, beside: (told.append(beside), torch.zeros(4, 3))[1]
    next(fair.turns(batch(PIXELS, target, GROUP)))
    assert told[0].tolist() == [[1, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1]]


def test_what_the_labels_tell_is_no_reason_to_change_the_picture(method, batch):
    # The group is the label: d knows it without a look, and has nothing to tell g by.
    fair, group = method(groups=2, entropy=0.0, keep=0.0), [1, 0, 1, 0]
    given = batch(PIXELS, np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), group)
    optimiser = torch.optim.Adam(fair.discriminator.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        list(fair.turns(given))[1].loss.backward()
        optimiser.step()
    fair.zero_grad()
    learner, discriminator = fair.turns(given)
    learner.loss.backward()
    assert float(discriminator.shown) < 0.01
    assert fair.net.generator.up[-1].bias.grad.abs().max() < 0.01


def test_with_bound_0_it_is_the_deployed_network(step):
    fair, upstream = real(bound=0.0)
    before = copy.deepcopy(fair.net.state_dict())
    fair.train()
    told = [step(fair, images(), rate=0.1)["discriminator"] for _ in range(30)]
    fair.eval()
    image = images(seed=3).image
    assert torch.equal(fair.net(image), upstream(image))
    after = fair.net.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert told[-1] < told[0]  # d goes on learning; nobody answers it


def test_with_one_group_only_the_labels_are_learnt_from(line, batch):
    fair = made(line(labels=2), line(labels=2, seed=7), groups=1)
    given = batch(PIXELS, TARGET)
    loss, told = (float(turn.shown) for turn in fair.turns(given))
    assert told == 0
    logit = array(fair.net(given.image))
    each = -(TARGET * np.log(sigmoid(logit)) + (1 - TARGET) * np.log(1 - sigmoid(logit)))
    assert loss == pytest.approx(0.7 * np.mean([np.nanmean(each[i]) for i in (0, 1, 3)]), rel=1e-5)


@pytest.mark.parametrize("rows", [[0], [2], [1, 2]], ids=["one image", "no label", "one of two"])
def test_an_image_alone_and_images_without_labels_leave_numbers(method, batch, step, rows):
    fair, whole = method(), method()
    whole.load_state_dict(fair.state_dict())
    losses = step(fair, batch(PIXELS[rows], TARGET[rows], [GROUP[i] for i in rows]))
    assert all(map(math.isfinite, losses.values()))
    assert all(torch.isfinite(p).all() for p in fair.parameters())
    labelled = [i for i in rows if i != 2]
    if labelled:  # an image without any label is as if it were not there
        step(whole, batch(PIXELS[labelled], TARGET[labelled], [GROUP[i] for i in labelled]))
    torch.testing.assert_close(dict(fair.state_dict()), dict(whole.state_dict()))


def test_inference_takes_the_picture_alone_and_how_often_is_remembered():
    fair, _ = real(steps=3)
    again = FairDiagnosis.build(build("test_resnet", "none", 2, 16), fair.config)
    again.load_state_dict(fair.net.state_dict())
    image = images().image
    with torch.no_grad():
        assert torch.equal(again.eval()(image), fair.net.eval()(image))
        once = FairDiagnosis.build(
            build("test_resnet", "none", 2, 16), fair.config.model_copy(update={"steps": 1})
        )
        once.load_state_dict(fair.net.state_dict())
        assert not torch.equal(once.eval()(image), again(image))


def test_the_generator_learns_to_hide_what_the_discriminator_has_learnt_to_see(line):
    # Pictures of one group have stripes, fainter than the bound.
    fair = made(line(256, 2), line(256, 2, seed=7), 2, entropy=0.0, keep=0.0)
    group, draw = torch.arange(24) % 2, torch.Generator().manual_seed(0)
    image = 0.5 + 0.02 * torch.randn(24, 1, 16, 16, generator=draw)
    image[group == 1, ..., ::2] += 0.15
    given = Batch(image, torch.ones(24, 2), group, torch.arange(24))

    def play(player, until, rate=3e-3, most=60):
        optimiser = torch.optim.Adam(fair.players()[player].parameters, rate)
        for _ in range(most):
            turns = {turn.player: turn for turn in fair.turns(given)}
            if until(error := float(turns["discriminator"].shown)):
                break
            optimiser.zero_grad()
            turns[player].loss.backward()
            optimiser.step()
        return error

    # No further: against a d that is certain there is hardly a gradient left for g.
    assert play("discriminator", lambda error: error < 0.2) < 0.2
    assert play("learner", lambda error: error > math.log(2)) > math.log(2)


@pytest.mark.parametrize("labels", [1, 3])
def test_an_upstream_of_another_kind_is_refused(line, labels):
    with pytest.raises(CxrfairError, match=r"train\.backbone: the upstream .* backbone and chan"):
        made(line(labels=2), line(labels=labels))
