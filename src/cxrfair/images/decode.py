"""One image file to one square grey array; what kind of file it is, its content says."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from cxrfair.images import dicom, pictures, raw
from cxrfair.images.shades import Grey
from cxrfair.images.unreadable import (
    BLANK,
    MAX_BYTES,
    MISSING,
    NOT_AN_IMAGE,
    TOO_LONG,
    UnreadableImageError,
)

__all__ = ["UnreadableImageError", "decode", "error"]


def decode(path: Path, size: int) -> tuple[Grey, int, int]:
    """Read an image as grey, shrink its longer side to `size` and pad the shorter with black.

    The whole image is kept and its proportions with it: cropping would cut the costophrenic angles
    off a portrait film, stretching would change the heart's width. JPEG, PNG and DICOM are known by
    their first bytes, a raw image by its name's ending; nothing else is tried.

    Returns
    -------
    tuple
        Pixels (size, size) and the original width and height.

    Raises
    ------
    UnreadableImageError
        Where the file is missing, truncated, not an image, too large to be one, or blank.
    """
    grey, extent, original = _read(path, size)
    if grey.min() == grey.max():  # two of them would count as one picture under two names
        raise UnreadableImageError(BLANK)
    return _square(grey, extent, size), *original


def error(path: Path, size: int) -> float:
    """Return how far `decode` is from decoding every pixel first; NaN where it does just that.

    A JPEG is decoded at a fraction of its size, which costs far less. The mean absolute difference
    to a full decoding and the same reduction is in grey levels of 0 to 255.

    Raises
    ------
    UnreadableImageError
        As `decode`.
    """
    data = _content(path)
    if not data.startswith(pictures.JPEG):
        return math.nan
    reduced = pictures.read_jpeg(data, size)
    if reduced.by == 1:
        return math.nan
    full = pictures.read_jpeg(data, None)
    ours, exact = (_square(found.grey, found.extent, size) for found in (reduced, full))
    return float(np.abs(exact.astype(np.int16) - ours).mean())


def _read(path: Path, size: int) -> tuple[Grey, tuple[float, float], tuple[int, int]]:
    """Read the pixels, the extent of the picture in them, and its original width and height."""
    data = _content(path)
    if data.startswith(pictures.JPEG):
        found = pictures.read_jpeg(data, size)
        return found.grey, found.extent, (found.width, found.height)
    if data.startswith(pictures.PNG):
        grey = pictures.read_png(data)
    elif data[dicom.PREAMBLE : dicom.PREAMBLE + len(dicom.MAGIC)] == dicom.MAGIC:
        grey = dicom.read(data)
    elif path.suffix.lower() == raw.SUFFIX:
        grey = raw.read(data)
    else:
        raise UnreadableImageError(NOT_AN_IMAGE)
    height, width = grey.shape
    return grey, (width, height), (width, height)


def _content(path: Path) -> bytes:
    """Read a plain file that is not absurdly long."""
    try:
        if not path.is_file():
            raise UnreadableImageError("not a file" if path.exists() else MISSING)
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableImageError(TOO_LONG)
        return path.read_bytes()
    except (OSError, ValueError):  # no permission, a disk that fails, a zero byte in the name
        raise UnreadableImageError("the file cannot be opened") from None


def _square(grey: Grey, extent: tuple[float, float], size: int) -> Grey:
    """Resize the longer side to `size` and centre the result on black.

    `extent` is the width and height of the picture in `grey`, in its pixels.
    """
    width, height = (max(1, round(side * size / max(extent))) for side in extent)
    small = Image.fromarray(grey).resize(
        (width, height), Image.Resampling.LANCZOS, box=(0, 0, *extent)
    )
    canvas = np.zeros((size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = np.asarray(small)
    return canvas
