import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies

from cxrfair.errors import CxrfairError
from cxrfair.methods import Groups, Listed
from cxrfair.methods._method import NoConfig
from cxrfair.methods.chexclusion import Chexclusion
from cxrfair.methods.erm import Erm, ErmConfig, _weights

NAN = math.nan
GROUPS = Groups(("all",), (4,))
PIXELS = np.array([[0.1, 0.9], [0.8, 0.3], [0.5, 0.4], [0.2, 0.7]])
TARGET = np.array([[1, 0], [0, 1], [0.5, NAN], [NAN, NAN]])
WEIGHTED, PLAIN = ErmConfig(weighted_bce=True), ErmConfig(weighted_bce=False)


def listed(target, labels):
    wide = np.array(target, "float32")
    return Listed(wide, labels, np.zeros(len(wide), np.int64))


def weights(net, target, labels):
    method = Erm(net, GROUPS, WEIGHTED)
    method.survey(listed(target, labels))
    return method.positive.tolist()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_weights_by_hand_where_no_finding_is_a_label(line):
    # no_finding of 3, edema of 2, nodule of 4: 3/3, 3/2, 3/4. Doubt and what is missing count not.
    target = [[1, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.5, 0.5, 1], [NAN, NAN, 0]]
    found = weights(line(labels=3), target, ("no_finding", "edema", "nodule"))
    assert found == pytest.approx([1, 1.5, 0.75])


def test_weights_by_hand_where_no_finding_is_no_label(line):
    # Free of all they were asked about: the second, fourth and fifth. Not the one in doubt, nor the
    # one without any label.
    target = [[1, 0], [0, 0], [0.5, 0], [0, NAN], [0, 0], [NAN, NAN], [1, 1]]
    assert weights(line(labels=2), target, ("edema", "nodule")) == pytest.approx([3 / 2, 3 / 1])


def test_weighted_loss_and_one_update_by_hand(line, batch, step):
    net = line(2, 2)
    method = Erm(net, GROUPS, WEIGHTED)
    method.survey(listed([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], ("no_finding", "edema")))
    p = np.array([1, 1.5])
    head, bias = net.head.weight.detach().numpy().copy(), net.head.bias.detach().numpy().copy()
    s = sigmoid(PIXELS @ head.T.astype(float) + bias)
    # Two labels of the first two images, half a positive and half a negative of the third; three
    # images have labels.
    own = [
        (-p[0] * np.log(s[0, 0]) - np.log(1 - s[0, 1])) / 2,
        (-np.log(1 - s[1, 0]) - p[1] * np.log(s[1, 1])) / 2,
        -0.5 * p[0] * np.log(s[2, 0]) - 0.5 * np.log(1 - s[2, 0]),
    ]
    slope = np.zeros((4, 2))
    slope[0] = p[0] * (s[0, 0] - 1) / 2, s[0, 1] / 2
    slope[1] = s[1, 0] / 2, p[1] * (s[1, 1] - 1) / 2
    slope[2, 0] = 0.5 * p[0] * (s[2, 0] - 1) + 0.5 * s[2, 0]
    losses = step(method, batch(PIXELS, TARGET))
    assert losses == {"learner": pytest.approx(sum(own) / 3, rel=1e-6)}
    np.testing.assert_allclose(net.head.weight.detach(), head - slope.T @ PIXELS / 3, rtol=1e-5)
    np.testing.assert_allclose(net.head.bias.detach(), bias - slope.sum(0) / 3, rtol=1e-5)


def test_plain_loss_and_one_update_by_hand(line, batch, step):
    net = line(2)
    before = net.head.weight.detach().numpy().copy()
    s = sigmoid(PIXELS @ before[0].astype(float) + float(net.head.bias.detach()))
    y = np.array([1, 0, 1, 0])
    loss = -(y * np.log(s) + (1 - y) * np.log(1 - s)).mean()
    assert step(Erm(net, GROUPS, PLAIN), batch(PIXELS, y)) == {"learner": pytest.approx(loss)}
    np.testing.assert_allclose(net.head.weight.detach()[0], before[0] - (s - y) @ PIXELS / 4, 1e-5)


def test_without_weights_it_is_the_risk_minimisation_of_its_base_to_the_byte(line, batch, step):
    given = batch(PIXELS, TARGET)
    some, others = Erm(line(2, 2), GROUPS, PLAIN), Chexclusion(line(2, 2), GROUPS, NoConfig())
    some.survey(listed(np.zeros((2, 2)), ("edema", "nodule")))  # nothing is counted, nor refused
    for _ in range(3):
        assert step(some, given) == step(others, given)
    torch.testing.assert_close(dict(some.state_dict()), dict(others.state_dict()), rtol=0, atol=0)


def test_labels_as_common_as_no_finding_weigh_as_without(line, batch, step):
    given = batch(PIXELS, TARGET)
    some, others = Erm(line(2, 2), GROUPS, WEIGHTED), Erm(line(2, 2), GROUPS, PLAIN)
    some.survey(listed([[1, 0], [0, 1]], ("no_finding", "edema")))
    assert step(some, given) == {"learner": pytest.approx(step(others, given)["learner"])}
    torch.testing.assert_close(some.net.head.weight, others.net.head.weight)


def test_what_was_counted_is_restored_with_the_rest(line):
    some, others = (Erm(line(2, 2), GROUPS, WEIGHTED) for _ in range(2))
    some.survey(listed([[1, 0], [1, 0], [0, 1]], ("no_finding", "edema")))
    others.load_state_dict(some.state_dict())
    assert others.positive.tolist() == [1, 2]


@given(strategies.lists(strategies.integers(1, 40), min_size=3, max_size=3))
def test_every_finding_weighs_as_much_as_all_without_findings(counts):
    rows = np.repeat(np.eye(3), counts, axis=0)
    found = _weights(listed(rows, ("no_finding", "edema", "nodule")))
    assert np.multiply(found, counts) == pytest.approx([counts[0]] * 3)


@pytest.mark.parametrize(
    ("target", "labels", "message"),
    [
        (
            [[0, 1], [0, 0]],
            ("no_finding", "edema"),
            "0 images without findings, no positive of 1",
        ),
        ([[1, 1], [1, 0], [0, 1]], ("edema", "nodule"), "training list: 0 images without findings"),
        (
            [[1, 0], [0, 0]],
            ("edema", "nodule"),
            r"no positive of 1 labels \(nodule\).*weighted_b",
        ),
    ],
)
def test_a_list_that_would_give_no_finite_weight_is_refused(line, target, labels, message):
    with pytest.raises(CxrfairError, match=message):
        weights(line(labels=2), target, labels)
