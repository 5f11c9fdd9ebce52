"""Why an image cannot be used, in few and stable words, and what no X-ray exceeds."""

import struct
import zlib

from cxrfair.errors import CxrfairError

MAX_PIXELS = 64_000_000  # four times the largest detector; more is a decompression bomb
MAX_BYTES = 256 << 20  # of a file; twice the largest detector's pixels at 64 bits each

MISSING = "missing"
NOT_AN_IMAGE = "not an image"
DAMAGED = "truncated or damaged"
TOO_LARGE = "more pixels than any X-ray has"
TOO_LONG = "a larger file than any X-ray"
BLANK = "blank: all pixels alike"
SEVERAL = "more than one picture in the file"

# What decoders raise when they meet damaged bytes; not only what their pages say.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class UnreadableImageError(CxrfairError):
    """An image that cannot be used; the message is the reason in the quarantine table."""


def refuse_huge(width: int, height: int) -> None:
    """Stop before a picture is decoded that is empty or has more than `MAX_PIXELS`."""
    if width < 1 or height < 1:
        raise UnreadableImageError(DAMAGED)
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(TOO_LARGE)
