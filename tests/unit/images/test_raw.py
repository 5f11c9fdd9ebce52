import numpy as np
import pytest

from cxrfair.images.decode import UnreadableImageError, decode

DENSITY = (np.arange(64 * 64, dtype=np.uint16)).reshape(64, 64)  # 0 to 4095


def written(path, values):
    path.write_bytes(values.astype(">u2").tobytes())
    return path


@pytest.mark.parametrize("name", ["JPCLN001.IMG", "a.img"])
def test_density_is_turned_round_and_shared_out_evenly(tmp_path, name):
    pixels, width, height = decode(written(tmp_path / name, DENSITY), 64)
    assert (width, height) == (64, 64)
    np.testing.assert_array_equal(
        pixels, np.floor((4095 - DENSITY.astype(float)) * 255 / 4095 + 0.5)
    )


def test_the_original_size_is_read(tmp_path):
    values = np.full((2048, 2048), 4095, np.uint16)
    values[:1024] = 0
    pixels, width, height = decode(written(tmp_path / "a.IMG", values), 64)
    assert (width, height) == (2048, 2048)
    assert pixels[:28].min() == 255
    assert pixels[36:].max() == 0


@pytest.mark.parametrize("length", [0, 10, 511, 513, 64 * 64, 64 * 64 * 2 - 1, 64 * 64 * 2 + 2])
def test_a_length_that_is_no_square_is_refused(tmp_path, length):
    (tmp_path / "a.IMG").write_bytes(bytes(length))
    with pytest.raises(UnreadableImageError, match="a raw image that is not square"):
        decode(tmp_path / "a.IMG", 32)


def test_the_other_byte_order_or_text_is_refused(tmp_path):
    (tmp_path / "a.IMG").write_bytes(DENSITY.astype("<u2").tobytes())
    with pytest.raises(UnreadableImageError, match="raw values above 12 bits"):
        decode(tmp_path / "a.IMG", 32)
    (tmp_path / "a.IMG").write_bytes(b"<html>  " * 64)
    with pytest.raises(UnreadableImageError, match="raw values above 12 bits"):
        decode(tmp_path / "a.IMG", 32)


def test_a_name_decides_only_what_content_does_not(tmp_path):
    written(tmp_path / "a.png", DENSITY)
    with pytest.raises(UnreadableImageError, match="not an image"):
        decode(tmp_path / "a.png", 32)
