"""PNG and JPEG bytes to grey."""

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import simplejpeg
from PIL import Image

from cxrfair.images import codestream
from cxrfair.images.shades import Grey, from_depth
from cxrfair.images.unreadable import (
    DAMAGE,
    DAMAGED,
    SEVERAL,
    UnreadableImageError,
    refuse_huge,
)

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
ENLARGED = 1.4  # a JPEG is decoded at no less than this multiple of the side wanted
REDUCTIONS = (8, 4, 2)  # what the cosine transform can be cut down by at almost no cost
MAX_SCANS = 100  # of a progressive JPEG; each costs a pass over all pixels
WITH_LUMINANCE = ("Gray", "YCbCr")  # colour spaces whose first channel is grey


def read_png(data: bytes) -> Grey:
    """Read a PNG of any kind; 16-bit grey by `shades.from_depth`, colour by its luminance."""
    _refuse_huge_png(data)
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            return _grey(image)
    except DAMAGE:
        raise UnreadableImageError(DAMAGED) from None


@dataclass(frozen=True)
class Reduced:
    """A picture decoded at one `by`-th of its own `width` and `height`.

    Its last row and column may reach beyond the picture: its size is rounded up.
    """

    grey: Grey
    width: int
    height: int
    by: int

    @property
    def extent(self) -> tuple[float, float]:
        """Return the width and height of the picture in the pixels of `grey`."""
        return self.width / self.by, self.height / self.by


def read_jpeg(data: bytes, size: int | None) -> Reduced:
    """Read a JPEG at about the size wanted, or at its own.

    The longer side of what is returned is at least `ENLARGED * size` where the file's is. Cutting
    the transform down averages whole blocks of pixels, which is what the first step of any good
    reduction does. An orientation in EXIF is ignored: releases carry none, and one that was
    set by a viewer must not mirror a chest.
    """
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except DAMAGE:
        raise UnreadableImageError(DAMAGED) from None
    refuse_huge(width, height)
    try:
        _refuse_many_scans(data)
        if space in WITH_LUMINANCE:
            by = _reduction(max(width, height), size)
            return Reduced(_shrunk(data, width, height, by), width, height, by)
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            return Reduced(_grey(image), width, height, 1)
    except DAMAGE:
        raise UnreadableImageError(DAMAGED) from None


def _reduction(longer: int, size: int | None) -> int:
    """Return what a side can be divided by and still be `ENLARGED` times the size wanted."""
    wanted = longer if size is None else ENLARGED * size
    return next((by for by in REDUCTIONS if by * wanted <= longer), 1)


def _refuse_many_scans(data: bytes) -> None:
    """Stop where a small file would keep a decoder busy for minutes."""
    found = codestream.frame(data)
    if found and found.progressive and data.count(b"\xff\xda") > MAX_SCANS:
        raise UnreadableImageError(DAMAGED)


def _shrunk(data: bytes, width: int, height: int, by: int) -> Grey:
    """Decode at one `by`-th of the size, rounded up."""
    sides = {"min_width": -(-width // by), "min_height": -(-height // by)}
    # `strict` refuses what libjpeg would mend: a picture with a grey lower half is damaged.
    grey: Grey = simplejpeg.decode_jpeg(data, "GRAY", strict=True, **sides)
    return grey[..., 0]


def _grey(image: Image.Image) -> Grey:
    """Load the pixels of a single picture as 8-bit grey."""
    if getattr(image, "n_frames", 1) > 1:
        raise UnreadableImageError(SEVERAL)
    image.load()
    if image.mode.startswith("I"):
        return from_depth(np.asarray(image).astype(np.uint16))
    return np.asarray(image.convert("L"))


def _refuse_huge_png(data: bytes) -> None:
    """Read the size from the first chunk, before a decoder sets memory aside for it."""
    if data[12:16] != b"IHDR" or len(data) < 24:
        raise UnreadableImageError(DAMAGED)
    refuse_huge(*struct.unpack(">II", data[16:24]))
