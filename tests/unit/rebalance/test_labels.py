import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.rebalance._labels import label_sizes
from cxrfair.rebalance._targets import Aim, wanted

LABELS = ("a", "b", "c", "d")


def _aim(target="equal", cap=None, k=4):
    return Aim(over=LABELS[:k], target=target, cap=cap)


def _sizes(kinds, way="both", **aim):
    patterns = np.array(list(kinds), dtype=bool)
    n = np.array(list(kinds.values()))
    return label_sizes(patterns, n, _aim(k=patterns.shape[1], **aim), way).tolist()


def test_two_labels_that_are_never_together():
    # 8 and 2 positives: targets 5 and 5; three of the one go, three of the other come
    assert _sizes({(1, 0): 8, (0, 1): 2, (0, 0): 10}) == [5, 5, 10]
    assert _sizes({(1, 0): 8, (0, 1): 2, (0, 0): 10}, "down") == [5, 2, 10]
    assert _sizes({(1, 0): 8, (0, 1): 2, (0, 0): 10}, "up") == [8, 5, 10]


def test_unlabelled_images_keep_the_total():
    # the median of 6, 4, 1 is 4: two fewer, three more, so one unlabelled image has to go
    kinds = {(1, 0, 0): 6, (0, 1, 0): 4, (0, 0, 1): 1, (0, 0, 0): 5}
    assert _sizes(kinds, target="median") == [4, 4, 4, 4]


def test_what_is_always_together_is_raised_against_single_ones():
    # b comes only with a: 9 and 1, targets 5 and 5; b is raised while a alone is removed more
    assert _sizes({(1, 0): 8, (1, 1): 1, (0, 0): 3}) == [1, 4, 7]


def test_labels_only_found_together_stay():
    assert _sizes({(1, 1): 4, (0, 0): 6}) == [4, 6]


def test_a_label_without_positives_stays_without():
    assert _sizes({(1, 0, 0): 6, (0, 1, 0): 2, (0, 0, 0): 1}) == [4, 4, 1]


KINDS = st.dictionaries(
    st.tuples(*[st.integers(0, 1)] * 4), st.integers(1, 40), min_size=1, max_size=12
)
AIMS = st.sampled_from([("equal", None), ("median", None), ("cap", 1.0), ("cap", 2.5)])


@settings(deadline=None)
@given(KINDS, AIMS, st.sampled_from(["both", "down", "up"]))
def test_no_label_moves_the_wrong_way_or_beyond_its_target(kinds, how, way):
    patterns, n = np.array(list(kinds), dtype=bool), np.array(list(kinds.values()))
    before = n @ patterns
    target = before.copy()
    target[before > 0] = wanted(before[before > 0], _aim(*how), way)
    size = label_sizes(patterns, n, _aim(*how), way)
    after = size @ patterns
    assert (after >= np.minimum(before, target)).all()
    assert (after <= np.maximum(before, target)).all()
    assert (size >= 1).all()
    if way == "both":
        assert size.sum() == n.sum()
    else:
        assert ((size <= n) if way == "down" else (size >= n)).all()


@pytest.mark.parametrize("seed", range(3))
def test_fourteen_labels_of_images_with_several_all_get_there(seed):
    rng = np.random.default_rng(seed)
    rate = np.array(
        [0.3, 0.25, 0.2, 0.15, 0.1, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02]
    )
    labels = rng.random((5000, 14)) < rate
    kinds, n = np.unique(labels, axis=0, return_counts=True)
    aim = Aim(over=tuple("abcdefghijklmn"), target="median", cap=None)
    size = label_sizes(kinds, n, aim, "both")
    after = size @ kinds
    assert np.abs(after - int(np.median(n @ kinds))).max() <= 2
    assert size.sum() == 5000
