import io

import numpy as np
import pytest
from PIL import Image

from cxrfair.images.decode import MAX_PIXELS, UnreadableImageError, decode


@pytest.fixture
def grey():
    ramp = np.linspace(0, 255, 64 * 64).reshape(64, 64)
    return Image.fromarray(ramp.astype(np.uint8))


def saved(image, path, **options):
    image.save(path, **options)
    return path


def test_the_whole_image_is_kept_and_padded_with_black(tmp_path):
    portrait = Image.fromarray(np.full((80, 40), 200, np.uint8))
    pixels, width, height = decode(saved(portrait, tmp_path / "a.png"), 32)
    assert (width, height) == (40, 80)
    assert pixels.shape == (32, 32)
    assert np.all(pixels[:, :8] == 0)
    assert np.all(pixels[:, 24:] == 0)
    assert np.all(pixels[:, 8:24] == 200)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_any_colour_mode_becomes_grey(tmp_path, grey, mode):
    expected, *_ = decode(saved(grey, tmp_path / "grey.png"), 64)
    pixels, *_ = decode(saved(grey.convert(mode), tmp_path / "other.png"), 64)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    wide = Image.fromarray((np.arange(256, dtype=np.uint16) * 257).reshape(16, 16))
    pixels, *_ = decode(saved(wide, tmp_path / "wide.png"), 16)
    np.testing.assert_array_equal(pixels, np.arange(256, dtype=np.uint8).reshape(16, 16))


def test_a_large_jpeg_decoded_in_small_is_close_to_the_full_decode(tmp_path):
    rows, columns = np.mgrid[0:1024, 0:1024]
    smooth = 127 + 80 * np.sin(rows / 90) * np.cos(columns / 70)
    path = saved(Image.fromarray(smooth.astype(np.uint8)), tmp_path / "a.jpg", quality=95)
    pixels, *_ = decode(path, 64)
    with Image.open(path) as full:
        expected = np.asarray(full.convert("L").resize((64, 64), Image.Resampling.LANCZOS))
    assert np.abs(pixels.astype(int) - expected).mean() < 1


def test_what_cannot_be_read_says_why(tmp_path, grey, monkeypatch):
    whole = io.BytesIO()
    grey.save(whole, "PNG")
    files = {
        "truncated or damaged": whole.getvalue()[: len(whole.getvalue()) // 2],
        "not an image": b"<html>404</html>",
    }
    for reason, content in files.items():
        path = tmp_path / "bad.png"
        path.write_bytes(content)
        with pytest.raises(UnreadableImageError, match=reason):
            decode(path, 32)
    with pytest.raises(UnreadableImageError, match="missing"):
        decode(tmp_path / "absent.png", 32)
    monkeypatch.setattr("cxrfair.images.decode.MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(UnreadableImageError, match="more pixels"):
        decode(saved(grey, tmp_path / "big.png"), 32)
    assert MAX_PIXELS > 4000 * 4000
