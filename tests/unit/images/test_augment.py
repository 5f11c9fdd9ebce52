import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from cxrfair.images.augment import AugmentConfig, augment, draws, move, normals

OFF = {"flip": 0.0, "rotation_degrees": 0.0, "shift": 0.0, "intensity": 0.0, "crop": 0.0}
ALL = {"flip": 0.5, "rotation_degrees": 20.0, "shift": 0.1, "intensity": 0.2, "crop": 0.3}
FLIP, ANGLE, RIGHT, DOWN, BRIGHT, CONTRAST, CROP, CROP_RIGHT, CROP_DOWN = range(9)
MIDDLE = 0.5  # the draw that changes nothing where both directions are possible
MOST = 1.0  # just out of reach of a draw: the border of what is possible


def none_of(n):
    return np.zeros(n, np.int64)


def changed(images, seed=0, epoch=1, keys=None, **settings):
    keys = np.arange(len(images)) if keys is None else keys
    uniform = draws(seed, epoch, keys, none_of(len(keys)))
    return augment(images, uniform, AugmentConfig(**OFF | settings))


def by_hand(images, drawn, **settings):
    uniform = np.full((len(images), 9), MIDDLE, np.float32)
    for column, value in drawn.items():
        uniform[:, column] = value
    return augment(images, uniform, AugmentConfig(**OFF | settings))


@pytest.fixture
def images():
    return torch.rand((8, 1, 16, 16), generator=torch.Generator().manual_seed(0))


def test_all_off_leaves_the_images_untouched(images):
    assert changed(images) is images


@pytest.mark.parametrize("setting", [{name: 0.3} for name in OFF], ids=lambda s: next(iter(s)))
def test_every_setting_has_an_effect_keeps_the_range_and_its_input(images, setting):
    before = images.clone()
    result = changed(images, **setting)
    assert not torch.allclose(result, images)
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(images, before)


def test_a_sure_flip_mirrors_left_and_right_exactly(images):
    assert torch.equal(changed(images, flip=1.0), images.flip(3))


def test_a_flip_that_is_sampled_with_other_changes_mirrors_too(images):
    flipped = by_hand(images, {FLIP: 0}, flip=1.0, shift=0.5)
    torch.testing.assert_close(flipped, images.flip(3), atol=1e-5, rtol=0)


def test_changes_that_are_drawn_as_nothing_change_nothing(images):
    same = by_hand(images, {CROP: 0}, rotation_degrees=90.0, shift=0.5, crop=0.5, intensity=0.9)
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_the_picture_turned(images):
    turned = by_hand(images, {ANGLE: MOST}, rotation_degrees=90.0)
    torch.testing.assert_close(turned, images.rot90(1, (2, 3)), atol=1e-4, rtol=0)


def test_a_shift_of_a_quarter_brings_in_black(images):
    moved = by_hand(images, {RIGHT: MOST, DOWN: 0}, shift=0.25)
    torch.testing.assert_close(moved[:, :, 4:, :12], images[:, :, :12, 4:], atol=1e-5, rtol=0)
    assert moved[:, :, :4].max() < 1e-5
    assert moved[:, :, :, 12:].max() < 1e-5


def test_a_crop_fills_the_image_with_the_window_that_is_left(images):
    # Half the side is cut away and the window sits at the upper right. A pixel of the result is
    # at half a pixel's distance between those of the window: 3/4 of one and 1/4 of the next.
    drawn = {CROP: MOST, CROP_RIGHT: MOST, CROP_DOWN: 0}
    window = images[:, :, :8, 8:]
    larger = by_hand(images, drawn, crop=0.5)
    mixed = torch.tensor([0.75, 0.25])
    expected = sum(
        mixed[i] * mixed[j] * window[:, :, i : 7 + i, j : 7 + j] for i in (0, 1) for j in (0, 1)
    )
    torch.testing.assert_close(larger[:, :, 1:14:2, 1:14:2], expected, atol=1e-5, rtol=0)


def test_a_crop_never_shows_what_is_outside(images):
    bright = torch.full_like(images, 0.8).repeat(20, 1, 1, 1)
    inside = changed(bright, crop=0.7)[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(inside, bright[:, :, 2:-2, 2:-2])


def test_intensity_by_hand():
    grey = torch.tensor([0.0, 0.5, 0.9]).view(3, 1, 1, 1)
    # gain 1.2 around one half, then 0.2 darker.
    result = by_hand(grey, {CONTRAST: MOST, BRIGHT: 0}, intensity=0.2)
    expected = torch.tensor([0.0, 0.3, 0.78]).view(3, 1, 1, 1)
    torch.testing.assert_close(result, expected)


def test_half_the_images_are_flipped_at_one_half():
    asymmetric = torch.linspace(0, 1, 16).repeat(4000, 1, 16, 1)
    flipped = changed(asymmetric, flip=0.5)[:, 0, 0, 0] > 0.5
    assert 0.46 < float(flipped.float().mean()) < 0.54


@pytest.mark.parametrize("settings", [ALL, {"flip": 0.5}, {"intensity": 0.2}, {"crop": 0.3}])
@pytest.mark.parametrize("side", [16, 33])
def test_an_image_is_the_same_bytes_alone_and_in_a_batch(settings, side):
    many = torch.rand((37, 1, side, side), generator=torch.Generator().manual_seed(1))
    whole = changed(many, **settings)
    for k in range(37):
        assert torch.equal(
            whole[k : k + 1], changed(many[k : k + 1], keys=np.array([k]), **settings)
        )


def test_nothing_stays_behind_on_the_cpu_or_waits_for_the_device(images):
    # Tensors without data: mixing devices or asking for a value fails on them, as it would
    # stall a GPU.
    for settings in (ALL, {"flip": 0.5}, {"intensity": 0.2}):
        result = changed(images.to("meta"), **settings)
        assert result.shape == images.shape
        assert result.device.type == "meta"


def test_copies_of_an_image_in_one_epoch_are_changed_in_different_ways(images):
    copies = images[:1].repeat(3, 1, 1, 1)
    uniform = draws(0, 1, np.array([7, 7, 7]), np.array([0, 1, 2]))
    one, two, three = augment(copies, uniform, AugmentConfig(**ALL))
    assert not torch.allclose(one, two)
    assert not torch.allclose(two, three)
    assert not torch.allclose(one, three)


@given(st.integers(0, 2**31), st.integers(1, 500), st.integers(0, 2**62), st.integers(0, 99))
def test_draws_are_decided_by_seed_epoch_image_and_occurrence(seed, epoch, key, copy):
    keys, copies = np.array([key], np.int64), np.array([copy], np.int64)
    first = draws(seed, epoch, keys, copies)
    np.testing.assert_array_equal(first, draws(seed, epoch, keys, copies))
    assert not np.array_equal(first, draws(seed, epoch + 1, keys, copies))
    assert not np.array_equal(first, draws(seed + 1, epoch, keys, copies))
    assert not np.array_equal(first, draws(seed, epoch, keys + 1, copies))
    assert not np.array_equal(first, draws(seed, epoch, keys, copies + 1))
    assert np.all((first >= 0) & (first < 1))


@pytest.mark.parametrize("over", ["images", "copies"])
def test_draws_are_uniform_and_unrelated(over):
    n = np.arange(20_000)
    keys, copies = (n, n * 0) if over == "images" else (n * 0 + 5, n)
    u = draws(3, 1, keys, copies)
    np.testing.assert_allclose(u.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(u.var(0), 1 / 12, atol=0.003)
    assert np.abs(np.corrcoef(u.T) - np.eye(9)).max() < 0.03
    assert np.abs(np.corrcoef(u[:-1, 0], u[1:, 0])[0, 1]) < 0.03


def test_normal_draws_are_normal_and_hang_on_the_key_alone():
    key = np.arange(400) * 7919
    drawn = normals(key, 300)
    assert (drawn.dtype, drawn.shape) == (np.float32, (400, 300))
    assert kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(drawn[:40]) - np.eye(40)).max() < 0.3
    np.testing.assert_array_equal(normals(key[[7, 3, 7]], 300), drawn[[7, 3, 7]])
    np.testing.assert_array_equal(normals(key[:2], 10), drawn[:2, :10])


@pytest.mark.parametrize(
    "settings",
    [ALL, {"flip": 0.5}, {"crop": 0.3}, {"flip": 0.5, "rotation_degrees": 90.0}, {"shift": 0.4}],
)
def test_a_mask_goes_where_its_image_goes(settings):
    # Images that are their own masks: a blob each, 1 inside and 0 outside.
    rows, columns = np.ogrid[:24, :24]
    place = np.random.default_rng(4).integers(4, 20, (30, 2))
    blobs = [(rows - y) ** 2 + (columns - x) ** 2 < 25 for y, x in place]
    masks = torch.from_numpy(np.stack(blobs)).float().unsqueeze(1)
    uniform = draws(5, 2, np.arange(30), none_of(30))
    geometry = AugmentConfig(**OFF | settings | {"intensity": 0.0})
    moved = move(masks, uniform, geometry)
    assert torch.equal(augment(masks, uniform, geometry), moved)
    assert not torch.equal(moved, masks)
    assert moved.min() >= 0
    assert moved.max() <= 1
    # Intensity moves nothing: what is brightest and what is darkest stays where it was.
    shaded = augment(masks, uniform, AugmentConfig(**OFF | settings | {"intensity": 0.2}))
    gain = 1 + 0.2 * (2 * uniform[:, CONTRAST] - 1)
    offset = 0.5 * (1 - gain) + 0.2 * (2 * uniform[:, BRIGHT] - 1)
    expected = moved * torch.from_numpy(gain).view(-1, 1, 1, 1)
    expected = (expected + torch.from_numpy(offset).view(-1, 1, 1, 1)).clamp(0, 1)
    torch.testing.assert_close(shaded, expected, atol=1e-5, rtol=0)


def test_all_masks_of_an_image_move_as_one():
    masks = torch.rand((6, 3, 16, 16), generator=torch.Generator().manual_seed(2)).round()
    uniform = draws(0, 1, np.arange(6), none_of(6))
    whole = move(masks, uniform, AugmentConfig(**ALL))
    for label in range(3):
        alone = move(masks[:, label : label + 1], uniform, AugmentConfig(**ALL))
        assert torch.equal(alone, whole[:, label : label + 1])


def test_a_mask_is_never_shaded_and_without_movement_stays_as_it_is(images):
    uniform = draws(0, 1, np.arange(8), none_of(8))
    assert move(images, uniform, AugmentConfig(**OFF | {"intensity": 0.5})) is images
