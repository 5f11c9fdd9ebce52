import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from cxrfair.errors import CxrfairError
from cxrfair.methods import Groups, Listed
from cxrfair.methods._network import Network
from cxrfair.methods.low_loss import LowLoss, LowLossConfig

NAN, Q = math.nan, 0.7


def listed(target, logit):
    wide = np.array(target, "float32")
    answers = None if logit is None else np.array(logit, "float32")
    names = tuple("abc"[: wide.shape[1]])
    return Listed(wide, names, np.zeros(len(wide), np.int64), answers)


def method(net, n, share=0.25, q=Q):
    return LowLoss(net, Groups(("all",), (n,)), LowLossConfig(share=share, q=q))


@pytest.fixture
def repeats(line):
    def of(target, logit, share=0.25, q=Q):
        return method(line(), len(target), share, q).repeats(listed(target, logit)).tolist()

    return of


def logit_of(p):
    return math.log(p / (1 - p))


def test_the_lowest_losses_of_one_label_by_hand(repeats):
    # p_y: 0.9, 0.2, 0.8, 0.6; the higher, the lower the loss.
    target, logit = [[1], [1], [0], [0]], [[p] for p in map(logit_of, (0.9, 0.2, 0.2, 0.4))]
    assert repeats(target, logit) == [0, 1, 1, 1]
    assert repeats(target, logit, share=0.5) == [0, 1, 0, 1]
    assert repeats(target, logit, share=0.75) == [0, 1, 0, 0]


def test_losses_are_the_mean_over_labels_by_hand(line):
    p = np.array([[0.9, 0.5, 0.3], [0.8, 0.6, 0.1]])
    target = [[1, 0, NAN], [0.5, NAN, 1]]
    given = listed(target, np.log(p / (1 - p)))
    loss, known = method(line(), 2)._losses(given)
    one = ((1 - 0.9**Q) / Q + (1 - 0.5**Q) / Q) / 2
    doubt = ((1 - 0.8**Q) / Q + (1 - 0.2**Q) / Q) / 2
    two = (doubt + (1 - 0.1**Q) / Q) / 2
    np.testing.assert_allclose(loss, [one, two], rtol=1e-6)
    assert known.all()


def test_q_decides_between_one_bad_answer_and_several_middling_ones_by_hand(repeats):
    # q = 1: means of 1 - p; near 0: means of -ln p.
    target, p = [[1, 1], [1, 1]], [[0.4, 0.3], [0.99, 0.01]]
    logit = [list(map(logit_of, row)) for row in p]
    assert repeats(target, logit, share=0.5, q=1) == [1, 0]  # 0.65 and 0.5
    assert repeats(target, logit, share=0.5, q=0.1) == [0, 1]  # by -ln p 1.06 and 2.31


def test_as_many_as_asked_for_are_left_out_whatever_floats_say(repeats):
    target = [[n % 2] for n in range(100)]
    logit = np.random.default_rng(0).normal(size=(100, 1))
    assert int(0.29 * 100) == 28
    assert repeats(target, logit, share=0.29).count(0) == 29
    assert repeats(target[:17], logit[:17], share=0.1).count(0) == 1
    assert repeats(target[:9], logit[:9], share=0.1) == [1] * 9


def test_of_equal_losses_the_first_goes(repeats):
    target, logit = [[1], [0], [1], [0], [1]], [[0.5], [-2.0], [2.0], [-2.0], [0.5]]
    assert repeats(target, logit, share=0.4) == [1, 0, 0, 1, 1]


def test_an_image_without_any_label_stays(repeats):
    target, logit = [[NAN], [1], [0], [NAN]], [[0.0], [-9.0], [9.0], [9.0]]
    assert repeats(target, logit, share=0.25) == [1, 0, 1, 1]


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_a_share_that_leaves_no_labelled_image_is_refused(repeats, share):
    target, logit = [[NAN], [1], [0], [NAN]], [[0.0]] * 4
    wrong = rf"low_loss: {share * 4:.0f} of 4 images are to be left out and 2 have a label"
    with pytest.raises(CxrfairError, match=wrong):
        repeats(target, logit, share=share)


def test_without_the_first_network_there_is_nothing_to_go_by(line):
    with pytest.raises(CxrfairError, match=r"low_loss: no logits.*gce@selected"):
        method(line(), 1).repeats(listed([[0.0]], None))


class Own(Network):
    """No network is asked: what is left out follows from the list."""

    def __init__(self):
        super().__init__()
        self.width, self.grid = 1, (1, 1)
        self.head = torch.nn.Linear(1, 2)


@given(some.integers(2, 40), some.floats(0.01, 0.99), some.integers(0, 99))
def test_nobody_left_out_is_harder_than_anybody_who_stays(n, share, seed):
    draw = np.random.default_rng(seed)
    target = draw.choice([0, 1, 0.5], (n, 2), p=[0.5, 0.3, 0.2])
    of, rows = method(Own(), n, share), listed(target, draw.normal(size=(n, 2)))
    found, (loss, _) = of.repeats(rows), of._losses(rows)
    assert set(found) <= {0, 1}
    assert (found == 0).sum() <= share * n < (found == 0).sum() + 1.0001
    out, stays = loss[found == 0], loss[found == 1]
    assert not len(out) or out.max() <= stays.min()


def test_its_loss_is_the_mean_over_images(line, batch, step):
    # Logit 0 costs ln 2 whatever the target, 0.5 included.
    net = line()
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.head.bias)
    losses = step(method(net, 3), batch(np.eye(3), [[1], [0], [0.5]]))
    assert losses == {"learner": pytest.approx(math.log(2))}
    # Gradient of each logit: (p - y) / n; a step of 1 against it.
    assert net.head.weight.tolist()[0] == pytest.approx([1 / 6, -1 / 6, 0])
