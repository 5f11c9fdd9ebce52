import math

import numpy as np
import pytest
import torch

from cxrfair.errors import CxrfairError
from cxrfair.methods import Groups, Listed
from cxrfair.methods.jtt import Jtt, JttConfig

NAN = math.nan


def listed(target, logit):
    wide = np.array(target, "float32")
    answers = None if logit is None else np.array(logit, "float32")
    return Listed(wide, tuple("abc"[: wide.shape[1]]), np.zeros(len(wide), np.int64), answers)


@pytest.fixture
def repeats(line):
    def of(target, logit, upweight=5):
        method = Jtt(line(), Groups(("all",), (len(target),)), JttConfig(upweight=upweight))
        return method.repeats(listed(target, logit)).tolist()

    return of


def test_errors_of_one_label_by_hand(repeats):
    # Right, missed, false alarm, right; at exactly 0.5 an image is called positive.
    target = [[1], [1], [0], [0], [1], [0]]
    logit = [[2.0], [-0.1], [0.1], [-3.0], [0.0], [0.0]]
    assert repeats(target, logit) == [1, 6, 6, 1, 1, 6]
    assert repeats(target, logit, upweight=2) == [1, 3, 3, 1, 1, 3]


def test_with_many_labels_one_wrong_one_is_enough(repeats):
    target = [[1, 0, 0], [1, 0, 0], [1, 1, 0]]
    logit = [[1, -1, -1], [1, -1, 1], [-1, -1, 1]]
    assert repeats(target, logit) == [1, 6, 6]


def test_missing_and_doubtful_labels_are_never_wrong(repeats):
    target = [[NAN, 0.5], [NAN, 0.5], [NAN, 1.0], [0.5, NAN]]
    logit = [[9, 9], [-9, -9], [9, -9], [0, 0]]
    assert repeats(target, logit) == [1, 1, 6, 1]


def test_no_error_draws_everything_once_and_all_errors_draw_all_alike(repeats):
    assert repeats([[1], [0]], [[1], [-1]]) == [1, 1]
    assert repeats([[1], [0]], [[-1], [1]]) == [6, 6]


def test_without_the_first_network_there_is_no_error_set(line):
    method = Jtt(line(), Groups(("all",), (1,)), JttConfig(upweight=5))
    with pytest.raises(CxrfairError, match=r"jtt: no logits.*erm@early"):
        method.repeats(listed([[0.0]], None))


def test_its_loss_is_the_mean_over_images(line, batch, step):
    # Logit 0 costs ln 2 whatever the target, 0.5 included.
    net = line()
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.head.bias)
    method = Jtt(net, Groups(("all",), (3,)), JttConfig(upweight=5))
    losses = step(method, batch(np.eye(3), [[1], [0], [0.5]]))
    assert losses == {"learner": pytest.approx(math.log(2))}
    # Gradient of each logit: (p - y) / n; a step of 1 against it.
    assert net.head.weight.tolist()[0] == pytest.approx([1 / 6, -1 / 6, 0])
