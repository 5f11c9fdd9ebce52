import math

import numpy as np
import pytest
import torch

from cxrfair.methods import Groups
from cxrfair.methods.lff import Lff, LffConfig

NAN, Q = math.nan, 0.7
PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7]])
TARGET = np.array([1.0, 0.0, 1.0, 0.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(net, images=4, **changes):
    config = LffConfig(**({"q": Q, "memory": 0.6} | changes))
    return Lff(net, Groups(("a", "b"), (images - 1, 1)), config)


def scores(net):
    weight, bias = net.head.weight.detach().numpy()[0], float(net.head.bias.detach())
    return sigmoid(PIXELS @ weight.astype(float) + bias)


def entropy(p, y=TARGET):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def weigh(biased, other, y=TARGET):
    """Return equation 3, each average divided by the largest of its class."""
    top = [np.array([a[y == c].max() for c in y]) for a in (biased, other)]
    return biased / top[0] / (biased / top[0] + other / top[1])


def test_the_biased_network_starts_as_a_copy_with_a_head_of_its_own(line):
    net = line()
    net.body = torch.nn.Linear(2, 2)
    method = made(net)
    torch.testing.assert_close(method.biased.body.weight, net.body.weight, rtol=0, atol=0)
    assert method.biased.body.weight is not net.body.weight
    assert not torch.equal(method.biased.head.weight, net.head.weight)


def test_two_steps_by_hand(line, batch, step):
    method, given = made(line(2)), batch(PIXELS, TARGET)
    averages = None
    for _ in range(2):
        p, r = scores(method.biased), scores(method.net)
        losses = np.array([entropy(p), entropy(r)])
        averages = losses if averages is None else 0.6 * averages + 0.4 * losses
        w = weigh(*averages)
        right = np.where(TARGET == 1, p, 1 - p)
        expected = {
            "biased": pytest.approx(((1 - right**Q) / Q).mean(), rel=1e-5),
            "learner": pytest.approx((w * losses[1]).mean(), rel=1e-5),
        }
        # The gradient of generalised cross entropy is that of cross entropy times p_y^q.
        moved = [right**Q * (p - TARGET) @ PIXELS / 4, w * (r - TARGET) @ PIXELS / 4]
        before = [net.head.weight.detach().numpy()[0].copy() for net in (method.biased, method.net)]
        assert step(method, given) == expected
        for net, old, by in zip((method.biased, method.net), before, moved, strict=True):
            np.testing.assert_allclose(net.head.weight.detach().numpy()[0], old - by, rtol=1e-4)
        np.testing.assert_allclose(method.average[:, :, 0].numpy(), averages, rtol=1e-5)


def remembered(method, losses, target, index):
    """Feed losses (2, n, k) by hand and return W of the same images."""
    target, index = torch.tensor(target), torch.tensor(index)
    method._remember(torch.tensor(losses), target, index)
    return method._weight(target, index)


def test_the_largest_of_a_class_is_over_all_images_seen_and_over_that_class(line):
    method = made(line())
    remembered(method, [[[4.0], [8.0]], [[1.0], [2.0]]], [[1.0], [0.0]], [0, 1])
    found = remembered(method, [[[2.0]], [[0.5]]], [[1.0]], [2])
    # Class 1 has seen at most 4 (biased) and 1: 2/4 and 0.5/1, so one half; class 0 plays no part.
    torch.testing.assert_close(found, torch.tensor([[0.5]]))


def test_an_image_drawn_twice_counts_once_with_its_mean(line):
    method = made(line())
    remembered(method, [[[1.0], [3.0]], [[2.0], [6.0]]], [[1.0], [1.0]], [3, 3])
    assert method.average[:, 3, 0].tolist() == [2.0, 4.0]
    remembered(method, [[[7.0], [7.0]], [[4.0], [4.0]]], [[1.0], [1.0]], [3, 3])
    assert method.average[:, 3, 0].tolist() == pytest.approx([0.6 * 2 + 0.4 * 7, 4.0])


def test_labels_are_apart_and_missing_ones_leave_no_trace(line):
    method = made(line(labels=2))
    found = remembered(method, [[[3.0, 9.0]], [[1.0, 9.0]]], [[1.0, NAN]], [1])
    assert found[0, 0] == 0.5  # the only one of its class is the largest of both
    assert method.average[:, 1].tolist() == [[3.0, 0.0], [1.0, 0.0]]
    assert method.kind[1].tolist() == [2, -1]
    # Its first loss is taken whole, though the image's other label was seen before.
    remembered(method, [[[3.0, 5.0]], [[1.0, 6.0]]], [[1.0, 0.0]], [1])
    assert method.average[:, 1, 1].tolist() == [5.0, 6.0]
    remembered(method, [[[3.0, 7.0]], [[1.0, 7.0]]], [[1.0, NAN]], [1])
    assert method.average[:, 1, 1].tolist() == [5.0, 6.0]


def test_doubt_is_a_class_of_its_own(line):
    method = made(line())
    remembered(method, [[[8.0], [8.0]], [[1.0], [1.0]]], [[1.0], [0.0]], [0, 1])
    found = remembered(method, [[[0.7], [1.4]], [[0.8], [0.8]]], [[0.5], [0.5]], [2, 3])
    torch.testing.assert_close(found, torch.tensor([[0.5 / 1.5], [0.5]]))


def test_what_neither_network_gets_wrong_weighs_nothing(line):
    assert remembered(made(line()), [[[0.0]], [[0.0]]], [[1.0]], [0]).item() == 0


def test_what_only_the_biased_network_gets_wrong_weighs_most(line):
    losses = [[[3.0], [0.1], [3.0]], [[0.1], [3.0], [3.0]]]
    hard, easy, both = remembered(made(line()), losses, [[1.0]] * 3, [0, 1, 2]).flatten().tolist()
    assert hard > both > easy
    assert hard == pytest.approx(30 / 31)


@pytest.mark.parametrize("score", [-200, 200])
def test_a_hopeless_score_keeps_a_finite_gradient(line, batch, score):
    method = made(line(2))
    with torch.no_grad():
        method.biased.head.bias.fill_(score)
    turn = next(iter(method.turns(batch(PIXELS, TARGET))))
    turn.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.biased.parameters())
