import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cxrfair.images.codestream import Frame, frame


def encoded(mode, kind, **options):
    buffer = BytesIO()
    Image.fromarray(np.zeros((30, 50), np.uint8)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_jpeg_says_its_size(mode, channels):
    for options in ({}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(50)}):
        several = "progressive" in options
        assert frame(encoded(mode, "JPEG", **options)) == Frame(50, 30, 8, channels, several)


def test_jpeg_2000_says_its_size():
    assert frame(encoded("L", "JPEG2000", no_jp2=True)) == Frame(50, 30, 8, 1)


def test_other_bytes_say_nothing():
    assert frame(b"") is None
    assert frame(b"\0\1\2\3" * 20) is None


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\x00\x00", b"\xff\xd8\xff\xe0\0"]
)
def test_a_stream_that_ends_early_is_an_error(data):
    with pytest.raises((IndexError, ValueError, struct.error)):
        frame(data)
