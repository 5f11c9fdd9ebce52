import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from torch.nn import functional

from cxrfair.errors import CxrfairError
from cxrfair.methods import Batch
from cxrfair.methods._alignment import (
    AlignmentConfig,
    at_random,
    blob,
    enlarged,
    guiding,
    misaligned,
)

SETTINGS = {
    "align": 1.0,
    "pixels": "all",
    "false_positive": 2.0,
    "smooth": 1.0,
    "random_maps": False,
}
NOTHING = np.zeros((48, 48), np.bool_)


def config(**changes):
    return AlignmentConfig(**(SETTINGS | changes))


def loss(truth, found, **changes):
    given = (torch.tensor([each], dtype=torch.float64) for each in (truth, found))
    return misaligned(*given, config(**changes)).item()


# Worked out on paper. The sharp outline: sum Y P = 0.5, sum Y = 1, sum P = 1.75, sum FP = 1.25.
# The soft one: sum Y P = 0.4, sum Y = 0.5, sum P = 1.2, FP = 0.4 where Y is 0.5, and 0.4 beside it.
SHARP = [[1.0, 0.0], [0.0, 0.0]], [[0.5, 0.25], [0.0, 1.0]]
SOFT = [[0.5, 0.0]], [[0.8, 0.4]]


@pytest.mark.parametrize(
    ("given", "changes", "part", "whole"),
    [
        (SHARP, {}, 1 + 1, 1 + 1.75 + 1.25 + 1),
        (SHARP, {"pixels": "positive"}, 1 + 1, 1 + 0.5 + 1),
        (SHARP, {"false_positive": 1.0}, 1 + 1, 1 + 1.75 + 1),
        (SHARP, {"false_positive": 4.0}, 1 + 1, 1 + 1.75 + 3 * 1.25 + 1),
        (SHARP, {"smooth": 3.0}, 1 + 3, 1 + 1.75 + 1.25 + 3),
        (SHARP, {"pixels": "positive", "false_positive": 4.0}, 1 + 1, 1 + 0.5 + 1),
        (SOFT, {}, 0.8 + 1, 0.5 + 1.2 + 0.8 + 1),
        (SOFT, {"pixels": "positive"}, 0.8 + 1, 0.5 + 0.8 + 0.4 + 1),
        (SOFT, {"pixels": "positive", "false_positive": 1.0}, 0.8 + 1, 0.5 + 0.8 + 1),
    ],
)
def test_the_alignment_loss_by_hand(given, changes, part, whole):
    assert loss(*given, **changes) == pytest.approx(1 - part / whole, abs=1e-6)


def test_epsilon_is_added_above_and_below():
    truth, found = [[1.0, 0.0]], [[0.5, 0.5]]
    exact = 1 - (1 + 1e-6) / (2 + 0.5 + 1e-6)
    assert loss(truth, found, smooth=0.0) == pytest.approx(exact, rel=1e-12)


def test_a_map_that_is_the_outline_costs_nothing_and_one_beside_it_the_most():
    assert loss([[1.0, 0.0]], [[1.0, 0.0]]) == pytest.approx(0)
    assert loss([[1.0, 0.0]], [[0.0, 1.0]]) == pytest.approx(1 - 1 / 4, abs=1e-6)
    assert loss([[1.0, 0.0]], [[0.0, 1.0]], smooth=0.0) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("pixels", ["all", "positive"])
def test_nothing_outlined_has_a_loss_all_the_same(pixels):
    expected = 1 - 1 / (2 * 1.5 + 1) if pixels == "all" else 0.0
    assert loss([[0.0, 0.0]], [[0.5, 1.0]], pixels=pixels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pixels", ["all", "positive"])
def test_attention_outside_a_sharp_outline_costs_nothing_in_the_literal_form(pixels):
    truth, draw = torch.zeros(1, 4, 4), torch.Generator().manual_seed(1)
    truth[:, :2, :2] = 1
    found = torch.rand((1, 4, 4), generator=draw, requires_grad=True)
    misaligned(truth, found, config(pixels=pixels)).sum().backward()
    assert (found.grad[truth == 1] < 0).all()
    outside = found.grad[truth == 0]
    assert (outside > 0).all() if pixels == "all" else (outside == 0).all()


@drawn(st.integers(0, 999), st.sampled_from(["all", "positive"]), st.floats(1, 5), st.floats(0, 9))
def test_the_alignment_loss_lies_between_0_and_1(seed, pixels, weight, smooth):
    truth, found = torch.rand((2, 6, 3, 4), generator=torch.Generator().manual_seed(seed))
    each = misaligned(truth, found, config(pixels=pixels, false_positive=weight, smooth=smooth))
    assert each.shape == (6,)
    assert ((each >= -1e-6) & (each < 1)).all()


@pytest.mark.parametrize("size", [(8, 12), (2, 3), (9, 7), (1, 1)])
def test_maps_are_enlarged_bilinearly(size):
    maps = torch.rand((3, 2, 3), generator=torch.Generator().manual_seed(2))
    other = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(enlarged(maps, size), other)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(enlarged(maps, size), other)


def guide(mask, guided, target):
    n, k = target.shape
    none = torch.zeros(n, dtype=torch.int64)
    return Batch(torch.zeros(n, 1, 2, 2), target, none, torch.arange(n), mask, guided)


def test_who_guides_has_an_outline_and_the_label():
    target = torch.tensor([[1.0, 0], [1, 1], [0, 1], [torch.nan, 1], [0.5, 1]])
    guided = torch.tensor([[True, True], [False, True], [True, False], [True, True], [True, True]])
    mask = torch.rand(5, 2, 2, 2)
    for label, chosen in ((0, [True, False, False, False, False]), (1, [0, 1, 0, 1, 1])):
        truth, found = guiding(guide(mask, guided, target), label)
        assert torch.equal(truth, mask[:, label])
        assert found.tolist() == list(map(bool, chosen))
    assert guiding(guide(None, None, target), 0) is None


def test_the_same_key_is_the_same_blob_and_any_other_another():
    keys = [(seed, epoch, index, label) for seed in (0, 1) for epoch in (1, 2) for index in (0, 9)
            for label in (0, 1)]  # fmt: skip
    blobs = [blob(NOTHING, *key).tobytes() for key in keys]
    assert blobs == [blob(NOTHING, *key).tobytes() for key in keys]
    assert len(set(blobs)) == len(keys)


def test_blobs_change_every_epoch_and_are_as_large_as_outlines_and_anywhere():
    blobs = np.array([blob(NOTHING, 3, epoch, 5, 0) for epoch in range(400)])
    assert len({each.tobytes() for each in blobs}) == 400
    share = blobs.mean((1, 2))
    assert share.min() > 0.01
    assert share.max() < 0.2
    assert np.median(share) == pytest.approx(np.sqrt(0.02 * 0.15), rel=0.2)
    covered = blobs.mean(0)
    assert covered[8:40, 8:40].min() > 0.01  # of epochs; corners are reached less often
    assert all(side.any() for side in (covered[0], covered[-1], covered[:, 0], covered[:, -1]))


def test_blobs_differ_in_shape():
    def spread(found):
        places = np.argwhere(found)
        sd = np.sqrt(np.linalg.eigvalsh(np.cov(places.T)))
        return sd[1] / sd[0]

    ratio = [spread(blob(NOTHING, 0, epoch, 0, 0)) for epoch in range(100)]
    assert min(ratio) < 1.2
    assert max(ratio) > 2


@drawn(st.integers(2, 9), st.integers(2, 9), st.integers(0, 10**6))
def test_a_blob_is_never_empty_nor_the_whole_nor_the_truth(height, width, seed):
    nothing = np.zeros((height, width), np.bool_)
    first = blob(nothing, seed)
    assert 0 < first.sum() < first.size
    second = blob(first, seed)  # an outline that happens to be what is drawn
    assert 0 < second.sum() < second.size
    assert (second != first).any()
    assert np.array_equal(blob(~first, seed), first)  # any other outline plays no part


def test_a_single_pixel_has_no_blob():
    with pytest.raises(CxrfairError, match="none on 1 x 1 pixels; allowed: 2 x 2 or more"):
        blob(np.zeros((1, 1), np.bool_), 1)


@pytest.fixture
def outlined():
    """Four images with an outline of the second of two labels."""
    mask = torch.zeros(4, 2, 16, 16)
    mask[:, 1, 3:9, 4:8] = 1
    given = guide(mask, torch.ones(4, 2, dtype=torch.bool), torch.ones(4, 2))
    return given, torch.tensor([True, False, True, True])


def test_random_maps_stand_in_for_the_outlines_that_guide_and_for_no_others(outlined):
    given, chosen = outlined
    truth = given.mask[:, 1]
    found = at_random(given, 1, truth, chosen)
    assert (found.shape, found.dtype) == (truth.shape, truth.dtype)
    assert not found[1].any()
    for row in (0, 2, 3):
        assert set(found[row].unique().tolist()) == {0.0, 1.0}
        assert not torch.equal(found[row], truth[row])
        key = given.seed, given.epoch, row, 1
        assert np.array_equal(found[row].numpy() > 0, blob(truth[row].numpy() > 0.5, *key))


def test_random_maps_are_those_of_an_example_whatever_the_batch(outlined):
    given, chosen = outlined
    whole = at_random(given, 1, given.mask[:, 1], chosen)
    alone = Batch(given.image[2:3], given.target[2:3], given.group[2:3], given.index[2:3])
    assert torch.equal(at_random(alone, 1, given.mask[2:3, 1], chosen[2:3])[0], whole[2])


def test_random_maps_that_would_be_the_outline_are_drawn_again(outlined):
    given, chosen = outlined
    first = at_random(given, 1, given.mask[:, 1], chosen)
    second = at_random(given, 1, first, chosen)
    for row in (0, 2, 3):
        assert not torch.equal(first[row], second[row])
        assert second[row].any()
