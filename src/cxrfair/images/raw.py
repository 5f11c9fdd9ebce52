"""Raw .IMG files, as JSRT has them: big-endian 16-bit words, 12 bits used, square, no header."""

from math import isqrt

import numpy as np

from cxrfair.images.shades import Grey
from cxrfair.images.unreadable import UnreadableImageError

SUFFIX = ".img"
WHITE = 4095  # the largest value of 12 bits; stored so where the film is darkest
SMALLEST = 16  # pixels along a side
NOT_SQUARE = "a raw image that is not square"


def read(data: bytes) -> Grey:
    """Read N x N values, inverted: JSRT stores optical density, so its air is bright.

    A file without a header can only be known by its length and its values: a length of exactly
    2 N^2 bytes (JSRT: N = 2048), no value above 12 bits. 255 levels of grey are shared out evenly
    over the 12 bits, whatever range a film uses.

    Raises
    ------
    UnreadableImageError
        If the length or a value cannot be a raw image's.
    """
    side = isqrt(len(data) // 2)
    if 2 * side * side != len(data) or side < SMALLEST:
        raise UnreadableImageError(NOT_SQUARE)
    values = np.frombuffer(data, ">u2").reshape(side, side)
    if int(values.max()) > WHITE:
        raise UnreadableImageError("raw values above 12 bits")
    table = (WHITE - np.arange(WHITE + 1)) * (255 / WHITE) + 0.5
    grey: Grey = table.astype(np.uint8)[values]
    return grey
