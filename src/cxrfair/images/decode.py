"""One image file to one square grey array."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cxrfair.errors import CxrfairError

MAX_PIXELS = 200_000_000  # ten times the largest detector; more is a decompression bomb
DRAFT = 2  # a JPEG is decoded at no less than this multiple of the size wanted


class UnreadableImageError(CxrfairError):
    """An image that cannot be used; the message is the reason in the quarantine table."""


def decode(path: Path, size: int) -> tuple[NDArray[np.uint8], int, int]:
    """Read an image as grey, shrink its longer side to `size` and pad the shorter with black.

    The whole image is kept and its proportions with it: cropping would cut the costophrenic angles
    off a portrait film, stretching would change the heart's width.

    Returns
    -------
    tuple
        Pixels (size, size) and the original width and height.

    Raises
    ------
    UnreadableImageError
        Where the file is missing, truncated, not an image or too large to be one.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise UnreadableImageError("more pixels than any X-ray has")
            return _square(_grey(image, size), size), width, height
    except FileNotFoundError:
        raise UnreadableImageError("missing") from None
    except UnidentifiedImageError:
        raise UnreadableImageError("not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UnreadableImageError("truncated or damaged") from None


def _grey(image: Image.Image, size: int) -> Image.Image:
    """Load the pixels as 8-bit grey; 16-bit files keep their upper eight bits."""
    image.draft("L", (DRAFT * size, DRAFT * size))
    image.load()
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("L")


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize the longer side to `size` and centre the result on black."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    canvas = np.zeros((size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = np.asarray(small)
    return canvas
