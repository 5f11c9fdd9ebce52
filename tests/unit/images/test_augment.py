import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.images.augment import AugmentConfig, augment, draws

OFF = {"flip": 0.0, "rotation_degrees": 0.0, "shift": 0.0, "intensity": 0.0}


def changed(images, seed=0, epoch=1, keys=None, **settings):
    keys = np.arange(len(images)) if keys is None else keys
    return augment(images, draws(seed, epoch, keys), AugmentConfig(**OFF | settings))


@pytest.fixture
def images():
    return torch.rand((8, 1, 16, 16), generator=torch.Generator().manual_seed(0))


def test_all_off_changes_nothing(images):
    torch.testing.assert_close(changed(images), images)


@pytest.mark.parametrize(
    "setting", [{"flip": 1.0}, {"rotation_degrees": 20.0}, {"shift": 0.2}, {"intensity": 0.3}]
)
def test_every_setting_has_an_effect_and_keeps_the_range(images, setting):
    result = changed(images, **setting)
    assert not torch.allclose(result, images)
    assert result.min() >= 0
    assert result.max() <= 1


def test_a_sure_flip_mirrors_left_and_right(images):
    torch.testing.assert_close(changed(images, flip=1.0), images.flip(3))


def test_half_the_images_are_flipped_at_one_half():
    asymmetric = torch.linspace(0, 1, 16).repeat(4000, 1, 16, 1)
    flipped = changed(asymmetric, flip=0.5)[:, 0, 0, 0] > 0.5
    assert 0.46 < float(flipped.float().mean()) < 0.54


def test_an_image_s_draw_ignores_its_neighbours(images):
    settings = {"flip": 0.5, "rotation_degrees": 20.0, "shift": 0.1, "intensity": 0.2}
    whole = changed(images, **settings)
    alone = changed(images[3:4], keys=np.array([3]), **settings)
    torch.testing.assert_close(whole[3:4], alone)


@given(st.integers(0, 2**31), st.integers(1, 500), st.integers(0, 2**62))
def test_draws_are_decided_by_seed_epoch_and_image(seed, epoch, key):
    keys = np.array([key], np.int64)
    first = draws(seed, epoch, keys)
    np.testing.assert_array_equal(first, draws(seed, epoch, keys))
    assert not np.array_equal(first, draws(seed, epoch + 1, keys))
    assert not np.array_equal(first, draws(seed + 1, epoch, keys))
    assert np.all((first >= 0) & (first < 1))


def test_draws_are_uniform_and_unrelated():
    u = draws(3, 1, np.arange(20_000))
    np.testing.assert_allclose(u.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(u.var(0), 1 / 12, atol=0.003)
    assert np.abs(np.corrcoef(u.T) - np.eye(6)).max() < 0.03
