import copy
import math

import numpy as np
import pytest
import torch

from cxrfair.backbones import build
from cxrfair.methods import Batch, Groups, Network, Representation
from cxrfair.methods.infomax import Infomax, InfomaxConfig

NAN = math.nan
PIXELS = np.array([[0.1, 0.9, 0.4], [0.8, 0.3, 0.0], [0.5, 0.4, 0.9], [1.0, 0.7, 0.6]])
TARGET = np.array([[1.0, 0.0], [0.0, NAN], [NAN, NAN], [1.0, 1.0]])
INDEX = np.array([40, 2, 11, 30])
USED = [0, 1, 3]  # the third has no label
# In the order 2, 30, 40 (image 1, 3, 0) each goes with the one before it: 3 // 2 = 1 place back.
OTHER = {0: 3, 1: 0, 3: 1}
SETTINGS = {"weight": 0.7, "rate": 0.5}


def made(net, **changes):
    return Infomax(net, Groups(("all",), (9,)), InfomaxConfig(**(SETTINGS | changes)))


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


def array(tensor):
    return tensor.detach().numpy().astype(float).copy()


def seen_by_hand(glance, image):
    """Return what the estimator sees of pictures (n, h, w): (n, 128)."""
    found = []
    for each in image:
        here = 2 * each[None] - 1
        for layer, _ in glance.picture:
            here = convolved(here, array(layer.weight), array(layer.bias))
        found.append(here.mean((1, 2)))
    return np.array(found)


def by_hand(seen, arrays):
    """Return L and J of the pictures in PIXELS."""
    e = PIXELS @ arrays["body"].T
    p = sigmoid(e @ arrays["head"].T + arrays["offset"])
    each = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p))
    loss = np.mean([np.nanmean(each[i]) for i in USED])

    def score(x, of):
        given = np.concatenate([seen[x], e[of]])
        hidden = np.maximum(arrays["w1"] @ given + arrays["b1"], 0)
        return arrays["w2"] @ hidden + arrays["b2"]

    together = np.array([score(i, i) for i in USED])
    apart = np.array([score(i, OTHER[i]) for i in USED])
    return loss, np.mean(-np.log1p(np.exp(-together))) - np.mean(np.log1p(np.exp(apart)))


def arrays_of(method):
    first, _, last = method.estimator.joined
    return {
        "body": array(method.net.body.weight),
        "head": array(method.net.head.weight),
        "offset": array(method.net.head.bias),
        "w1": array(first.weight),
        "b1": array(first.bias),
        "w2": array(last.weight)[0],
        "b2": array(last.bias)[0],
    }


def test_one_step_of_both_players_by_hand(deep, batch, step, slopes):
    method = made(deep(labels=2))
    arrays, seen = arrays_of(method), seen_by_hand(method.estimator, PIXELS[:, None])
    loss, found = by_hand(seen, arrays)
    given = batch(PIXELS, TARGET, index=INDEX)
    numbers = next(method.turns(given)).numbers
    assert float(numbers["jensen_shannon"]) == pytest.approx(found / 2 + math.log(2), rel=1e-4)
    losses = step(method, given)
    assert losses == {
        "learner": pytest.approx(loss, rel=1e-5),
        "estimator": pytest.approx(-found, rel=1e-5),
    }

    def whole(changed):
        loss, found = by_hand(seen, arrays | changed)
        return loss - 0.7 * found

    own = {key: arrays[key] for key in ("body", "head", "offset")}
    after = arrays_of(method)
    for key, slope in slopes(whole, own).items():
        np.testing.assert_allclose(after[key], arrays[key] - slope, rtol=1e-4, atol=1e-6)
    # The estimator goes up its own estimate, on what was made before the network moved.
    own = {key: np.array(arrays[key]) for key in ("b1", "w2", "b2")}
    for key, slope in slopes(lambda changed: by_hand(seen, arrays | changed)[1], own).items():
        np.testing.assert_allclose(after[key], arrays[key] + 0.5 * slope, rtol=1e-4, atol=1e-6)


def images(n=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 2, (n, 2), generator=draw).float()
    image = torch.rand(n, 1, 16, 16, generator=draw)
    return Batch(image, target, torch.zeros(n, dtype=torch.int64), torch.arange(n))


def test_neither_player_moves_the_other():
    torch.manual_seed(0)
    method = made(build("test_resnet", "none", 2, 16))
    learner, estimator = method.turns(images())
    estimator.loss.backward()
    assert all(p.grad is None for p in method.net.parameters())
    assert all(torch.any(p.grad != 0) for p in method.estimator.parameters())
    method.zero_grad()
    learner.loss.backward()
    # Of the pictures themselves the network learns nothing: what is seen of them has no graph.
    assert all(p.grad is None for p in method.estimator.picture.parameters())
    assert torch.any(next(method.net.body.parameters()).grad != 0)


def test_with_weight_0_it_is_plain_training(deep, batch, step):
    method, given = made(deep(labels=2), weight=0.0), batch(PIXELS, TARGET, index=INDEX)
    plain = copy.deepcopy(method.net)
    step(method, given)
    logit, present = plain(given.image), USED
    known = ~torch.isnan(given.target)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        logit, torch.nan_to_num(given.target), reduction="none"
    )
    (each * known).sum(1)[present].div(known.sum(1)[present]).mean().backward()
    for some, others in zip(method.net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(some, others - others.grad)


@pytest.mark.parametrize(
    "target",
    [TARGET[:1], np.array([[1.0, 0.0], [NAN, NAN]]), np.full((3, 2), NAN)],
    ids=["one image", "one with a label", "no label"],
)
def test_with_fewer_than_two_images_to_compare_the_information_says_nothing(
    deep, batch, step, target
):
    weighed, plain = made(deep(labels=2)), made(deep(labels=2), weight=0.0)
    plain.load_state_dict(weighed.state_dict())
    before = [p.clone() for p in weighed.estimator.parameters()]
    given = batch(PIXELS[: len(target)], target)
    assert float(next(weighed.turns(given)).numbers["jensen_shannon"]) == 0
    assert step(weighed, given) == step(plain, given)
    assert all(map(torch.equal, weighed.net.parameters(), plain.net.parameters()))
    assert all(map(torch.equal, weighed.estimator.parameters(), before))


def test_the_estimator_is_saved_and_not_deployed(deep):
    method = made(deep(labels=2))
    deployed = method.net.state_dict()
    assert set(deployed) == {"body.weight", "head.weight", "head.bias"}
    assert any(key.startswith("estimator.") for key in method.state_dict())


class Level(Network):
    """Two features that hold little of how bright the picture is, and nothing else."""

    width, grid = 2, (1, 1)

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.1, 0.0]))
        self.head = torch.nn.Linear(2, 1)

    def represent(self, image):
        pooled = (image.mean((2, 3)) - 0.5) * self.weight
        return Representation(pooled.unsqueeze(1), pooled, self.head(pooled), (1, 1))


def learnt(weight, steps=100):
    """Train where labels say nothing of the picture; return the first and the last estimates."""
    torch.manual_seed(0)
    method, draw = made(Level(), weight=weight, rate=1.0), torch.Generator().manual_seed(1)
    optimisers = {
        name: torch.optim.Adam(player.parameters, 1e-2) for name, player in method.players().items()
    }
    target, group, found = torch.full((32, 1), 0.5), torch.zeros(32, dtype=torch.int64), []
    for _ in range(steps):
        image = torch.rand(32, 1, 1, 1, generator=draw)
        for turn in method.turns(Batch(image, target, group, torch.arange(32))):
            optimisers[turn.player].zero_grad()
            turn.loss.backward()
            optimisers[turn.player].step()
            found += [float(number) for number in turn.numbers.values()]
    return found[0], np.mean(found[-10:])


def test_the_features_come_to_tell_more_of_the_picture_where_that_has_a_weight():
    (first, with_it), (same, without) = learnt(1.0), learnt(0.0)
    assert first == same == pytest.approx(0, abs=0.01)
    assert with_it > without + 0.1
