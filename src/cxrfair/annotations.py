"""Where a source saw something: geometries of `tables.ANNOTATIONS` to masks, and back to RLE.

Geometries are in the pixels of the original image, x to the right and y downwards from its upper
left corner; the first pixel's centre is at (0.5, 0.5). Boxes and circles may end with the width and
height of the picture they were drawn in: where copies of another size go round, they move along.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from cxrfair.errors import CxrfairError

MOST_PIXELS = 200_000_000  # ten times the largest detector; more would be an attack on memory
LONGEST_NUMBER = 7  # characters of a run length: 35 bits
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class GeometryError(CxrfairError):
    """An annotation's geometry is not what its kind promises."""


@dataclass(frozen=True)
class _Frame:
    """The original image, and where in it the centres of the output's pixels lie."""

    height: int
    width: int
    down: Floats  # (rows, 1), original pixels
    across: Floats  # (columns,), original pixels


def mask(
    kind: str, geometry: str, height: int, width: int, size: tuple[int, int] | None = None
) -> Mask:
    """Draw one geometry, at any size.

    Parameters
    ----------
    kind
        `box`, `circle`, `polygon` or `rle`.
    geometry
        JSON, as in `tables.ANNOTATIONS`, in original pixels.
    height, width
        Of the original image, in pixels.
    size
        Rows and columns of the mask, to which the original is scaled; the original's by default.

    Returns
    -------
    array
        (rows, columns), true where a pixel's centre lies inside (polygons: COCO's rule, which may
        differ from that on the outline). What lies between the centres of all pixels is nowhere.

    Raises
    ------
    GeometryError
        If the geometry is not of its kind, is far outside the image or of another image size.
    """
    rows, columns = size or (height, width)
    if min(height, width, rows, columns) < 1 or max(height * width, rows * columns) > MOST_PIXELS:
        raise GeometryError(
            f"image size {[height, width]}, mask size {[rows, columns]}; "
            f"allowed: sides of 1 or more, at most {MOST_PIXELS} pixels"
        )
    if kind not in _DRAW:
        raise GeometryError(f"annotation kind {kind!r}; allowed: {', '.join(_DRAW)}")
    down = _centres(rows, height)[:, None]
    across = _centres(columns, width)
    return _DRAW[kind](_parse(geometry), _Frame(height, width, down, across))


def rle(inside: Mask) -> dict[str, Any]:
    """Write a mask (height, width) as COCO's compressed run lengths, ready for JSON."""
    coded = coco.encode(np.asfortranarray(inside, dtype=np.uint8))
    return {"size": list(inside.shape), "counts": coded["counts"].decode("ascii")}


def runs(coded: object) -> NDArray[np.int64]:
    """Unpack COCO's compressed run lengths: outside first, then by turns, down column by column.

    Raises
    ------
    GeometryError
        If they are not whole or do not add up to the image.
    """
    height, width, counts = _rle_fields(coded)
    codes = np.frombuffer(counts.encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    last = (codes & 32) == 0  # each number ends with a character that lacks this bit
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or not last[-1]:
        raise GeometryError("rle: the counts are not whole; COCO's compressed form is needed")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    length = ends - starts + 1
    if length.max() > LONGEST_NUMBER:
        raise GeometryError("rle: a run is longer than any image")
    place = 5 * (np.arange(len(codes)) - np.repeat(starts, length))
    numbers = np.add.reduceat((codes & 31) << place, starts)
    numbers -= np.where(codes[ends] & 16, np.int64(1) << (5 * length), 0)
    for parity in (1, 2):  # from the fourth on, each is the difference from the last but one
        numbers[parity::2] = np.cumsum(numbers[parity::2])
    if numbers.min() < 0 or numbers.sum() != height * width:
        raise GeometryError(
            f"rle: the runs add up to {numbers.sum()} pixels; size {[height, width]} "
            f"needs {height * width}, none negative"
        )
    return numbers


def corners(points: object, height: int, width: int) -> Floats:
    """Check a polygon against the image it lies on; (corners, 2), x and y.

    Raises
    ------
    GeometryError
        If it is not three or more pairs of numbers, or lies an image's side or more outside.
    """
    pairs = points if isinstance(points, list) else []
    if len(pairs) < 3 or not all(_are_numbers(pair, 2) for pair in pairs):
        raise GeometryError("polygon: allowed: three or more corners [x, y] in pixels")
    found = np.asarray(pairs, dtype=np.float64)
    sides = np.array([width, height])
    if (found < -sides).any() or (found > 2 * sides).any():
        raise GeometryError(f"polygon: a corner far outside the image of size {[height, width]}")
    return found


def _centres(count: int, length: int) -> Floats:
    """Return the centres of `count` pixels over a side of `length` original ones."""
    centres: Floats = (np.arange(count, dtype=np.float64) + 0.5) * (length / count)
    return centres


def _parse(geometry: str) -> object:
    """Read JSON."""
    try:
        parsed: object = json.loads(geometry)
    except (ValueError, RecursionError):
        raise GeometryError("geometry: not JSON") from None
    return parsed


def _are_numbers(values: object, count: int) -> bool:
    """Tell whether this is a list of `count` numbers of a size that pixels have."""
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(v) in (int, float) and abs(v) <= MOST_PIXELS for v in values)
    )


def _box(shape: object, frame: _Frame) -> Mask:
    names = ("x", "y", "width", "height")
    (x, y, width, height), (wide, high) = _numbers("box", shape, names, frame)
    across = (x * wide <= frame.across) & (frame.across < (x + width) * wide)
    down = (y * high <= frame.down) & (frame.down < (y + height) * high)
    return down & across


def _circle(shape: object, frame: _Frame) -> Mask:
    (x, y, radius), (wide, high) = _numbers("circle", shape, ("x", "y", "radius"), frame)
    across, down = frame.across / wide - x, frame.down / high - y
    inside: Mask = np.square(across) + np.square(down) <= radius**2
    return inside


def _numbers(
    kind: str, shape: object, names: Sequence[str], frame: _Frame
) -> tuple[list[float], tuple[float, float]]:
    """Return a geometry of so many numbers, those after x and y above zero, and its scale.

    The scale is how many pixels of the image, across and down, one of the geometry's is.
    """
    count = len(names)
    known = _are_numbers(shape, count) or _are_numbers(shape, count + 2)
    if not known or not isinstance(shape, list) or min(shape[2:]) <= 0:
        says = f"allowed: [{', '.join(names)}] in pixels, all but x and y above zero"
        raise GeometryError(f"{kind}: {says}")
    values = [float(value) for value in shape]
    width, height = values[count:] or (frame.width, frame.height)
    return values[:count], (frame.width / width, frame.height / height)


def _polygon(shape: object, frame: _Frame) -> Mask:
    rows, columns = len(frame.down), len(frame.across)
    scale = np.array([columns / frame.width, rows / frame.height])
    outline = (corners(shape, frame.height, frame.width) * scale).ravel().tolist()
    counts = coco.frPyObjects([outline], rows, columns)[0]["counts"].decode("ascii")
    return _unpacked({"size": [rows, columns], "counts": counts})


def _rle(shape: object, frame: _Frame) -> Mask:
    height, width, _ = _rle_fields(shape)
    if (height, width) != (frame.height, frame.width):
        raise GeometryError(f"rle: size {[height, width]}; image {[frame.height, frame.width]}")
    inside: Mask = _unpacked(shape)[frame.down.astype(int), frame.across.astype(int)]
    return inside


def _unpacked(coded: object) -> Mask:
    """Draw run lengths at their own size; pycocotools would trust them."""
    height, width, _ = _rle_fields(coded)
    lengths = runs(coded)
    inside: Mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(width, height).T


def _rle_fields(coded: object) -> tuple[int, int, str]:
    """Return height, width and counts of run lengths, if they are of the right kinds."""
    size = coded.get("size") if isinstance(coded, dict) else None
    counts = coded.get("counts") if isinstance(coded, dict) else None
    whole = isinstance(size, list) and len(size) == 2 and all(type(v) is int for v in size)
    if not whole or not isinstance(counts, str):
        raise GeometryError('rle: allowed: {"size": [height, width], "counts": text}')
    height, width = size or (0, 0)
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise GeometryError(f"rle: size {[height, width]}; allowed: 1 to {MOST_PIXELS} pixels")
    return height, width, counts


_DRAW: dict[str, Callable[[object, _Frame], Mask]] = {
    "box": _box,
    "circle": _circle,
    "polygon": _polygon,
    "rle": _rle,
}
