import numpy as np
import pytest

from cxrfair.images.decode import UnreadableImageError, decode

VALUES = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint16) * 30
WINDOW = {"WindowCenter": "2048", "WindowWidth": "4096"}


@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14_1", "JPEGLSLossless"])
def test_lossless_jpeg_is_exact(transcoded, syntax):
    shown, *_ = decode(transcoded(VALUES, syntax, **WINDOW), 64)
    np.testing.assert_array_equal(shown, np.floor(VALUES.astype(float) * 255 / 4095 + 0.5))


def test_a_file_that_ends_gdcms_process_is_only_damaged_and_the_next_is_read(transcoded):
    path = transcoded(VALUES, "JPEGLosslessProcess14_1", **WINDOW)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\xff\xc4", b"\xff\xff", 1))  # no Huffman table
    with pytest.raises(UnreadableImageError, match="truncated or damaged"):
        decode(path, 32)
    path.write_bytes(whole)
    assert decode(path, 32)[0].max() > 200
