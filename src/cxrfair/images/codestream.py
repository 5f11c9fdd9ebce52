"""What a compressed picture says of itself: read before a decoder believes it."""

import struct
from dataclasses import dataclass

START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}  # JPEG's, and JPEG-LS's
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class Frame:
    """Width and height in pixels, bits of a value, values of a pixel; in several passes or not."""

    width: int
    height: int
    bits: int
    channels: int
    progressive: bool = False


def frame(data: bytes) -> Frame | None:
    """Read the frame of a JPEG, JPEG-LS or JPEG 2000 stream; None for other kinds.

    Raises
    ------
    IndexError, ValueError, struct.error
        If the stream ends or strays before it says.
    """
    if data.startswith(JPEG_2000):
        right, bottom, left, top = struct.unpack(">4I", data[8:24])
        channels, depth = struct.unpack(">HB", data[40:43])
        return Frame(right - left, bottom - top, (depth & 0x7F) + 1, channels)
    if not data.startswith(JPEG):
        return None
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker where one belongs")
        kind = data[at + 1]
        if kind in START_OF_FRAME:
            bits, height, width, channels = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return Frame(width, height, bits, channels, kind in PROGRESSIVE)
        at += 1 if kind == 0xFF else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
