import numpy as np
import pytest
from PIL import Image

from cxrfair.images.decode import decode
from cxrfair.images.shades import from_depth, used_range


def ramp(bits):
    return (np.arange(1024, dtype=np.uint32) * (2**bits - 1) // 1023).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_every_depth_uses_the_whole_grey(tmp_path, bits):
    path = tmp_path / "a.png"
    Image.fromarray(ramp(bits).reshape(32, 32)).save(path)
    with Image.open(path) as image:
        assert image.mode == "I;16"
    pixels, *_ = decode(path, 32)
    expected = np.arange(1024).reshape(32, 32) * 255 / 1023
    assert np.abs(pixels - expected).max() <= 1.01


def test_twelve_bits_are_not_black():
    values = ramp(12).reshape(32, 32)
    assert (values >> 8).mean() < 8  # what the upper eight bits would show
    assert from_depth(values).mean() == pytest.approx(127.5, abs=1)


def test_pictures_of_one_depth_keep_their_exposure():
    bright, dark = np.full((32, 32), 4000, np.uint16), np.full((32, 32), 2000, np.uint16)
    assert from_depth(bright).mean() == pytest.approx(2 * from_depth(dark).mean(), abs=1)


def test_a_dead_pixel_does_not_darken_the_rest():
    values = np.full((64, 64), 3000, np.uint16)
    values[3, 4] = 65535
    assert from_depth(values)[0, 0] == from_depth(np.full((64, 64), 3000, np.uint16))[0, 0]
    assert from_depth(values)[3, 4] == 255


def test_the_used_range_leaves_out_one_in_a_thousand_at_either_end():
    values = np.arange(10_000).reshape(100, 100)
    assert used_range(values) == (9, 9990)


def test_a_sample_of_a_large_picture_is_enough():
    values = np.tile(np.arange(3000, dtype=np.uint16), (2000, 1))
    low, high = used_range(values)
    assert low < 15
    assert high > 2985
