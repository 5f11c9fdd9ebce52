"""Where findings are in images as a store holds them: one mask an image and label, in one array.

A mask is 1 inside the union of all geometries of the label, whoever drew them.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib import format as npy
from numpy.typing import NDArray

from cxrfair import annotations
from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.lookup import places, take
from cxrfair.progress import track
from cxrfair.tables import MASK_INDEX

Bools = NDArray[np.bool_]
MOST_LOST = 0.5  # of all geometries
Place = tuple[str, str, str]  # image, label and fold
Geometry = tuple[str, str, tuple[int, int]]  # kind, JSON, and height and width of its image


class MaskError(CxrfairError):
    """A mask cannot be drawn, or is not what it should be."""


class Drawn(NamedTuple):
    """Rows of `tables.MASK_INDEX`, and how many `geometries` were met, of which `lost` are not in.

    A geometry is lost if no pixel's centre lies inside it even in the original image.
    """

    rows: pd.DataFrame
    geometries: int
    lost: int


def squared(kind: str, geometry: str, shape: tuple[int, int], size: int) -> Bools:
    """Draw a geometry in an image of `shape` (height, width) where `images.decode` puts it.

    Returns
    -------
    array
        (size, size): the longer side fills it and the shorter is centred.

    Raises
    ------
    GeometryError
        If the geometry is not what its kind promises.
    """
    rows, columns, top, left = _window(shape, size)
    square = np.zeros((size, size), np.bool_)
    inside = annotations.mask(kind, geometry, *shape, (rows, columns))
    square[top : top + rows, left : left + columns] = inside
    return square


def draw(
    marks: pd.DataFrame,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    wanted: Mapping[str, tuple[str, ...]],
    to: tuple[int, Path],
) -> Drawn:
    """Draw the masks of the images in `splits`, in order of image and label, one after another.

    A geometry between the centres of all pixels of this size is the one pixel that the middle of
    its original pixels lies in: small findings are the ones that matter most.

    Parameters
    ----------
    marks
        Rows of `tables.ANNOTATIONS`, in original pixels; of other images and labels too.
    index
        Rows of `tables.STORE_INDEX`, which say how large each image was.
    splits
        Rows of `tables.SPLITS`; all folds are drawn.
    wanted
        By label, the labels of annotations that count for it.
    to
        The side of a mask in pixels, and where to write them: uint8 of (m, side, side).

    Raises
    ------
    MaskError
        If nobody knows the size of an image with a mark, or most geometries hold no pixel.
    GeometryError
        If a geometry is not what its kind promises.
    """
    size, path = to
    said = _said(marks, index, splits, wanted)
    count = len(said[["image_id", "label"]].drop_duplicates())
    kept: list[tuple[str, str, str, int]] = []
    lost = 0
    with whole(path) as part, part.open("wb") as file:
        _head(file, 0, size)
        for place, geometries in track(_by_place(said), "masks", "masks", count):
            inside, left_out = _union(geometries, size)
            lost += left_out
            if inside.any():
                kept.append((*place, len(kept)))
                file.write(inside.astype(np.uint8).tobytes())
        file.seek(0)
        _head(file, len(kept), size)
        _refuse_misplaced(lost, len(said))
    rows = pd.DataFrame(kept, columns=list(MASK_INDEX.schema.names))
    return Drawn(rows.astype({"row": np.int64}), len(said), lost)


def _refuse_misplaced(lost: int, geometries: int) -> None:
    """Stop where most geometries are nowhere: they are of pictures of another size."""
    if lost > MOST_LOST * geometries:
        raise MaskError(
            f"annotations: {lost} of {geometries} geometries hold no pixel of their image; "
            "allowed: half of them. Were they drawn in pictures of another size?"
        )


def _said(
    marks: pd.DataFrame,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    wanted: Mapping[str, tuple[str, ...]],
) -> pd.DataFrame:
    """Return kind and geometry of every mark, for each label it counts for, with fold and sizes."""
    parts = [(part, label) for label, of in wanted.items() for part in of]
    counts = pd.DataFrame(parts, columns=["part", "label"]).astype("str")
    of_label = marks.rename(columns={"label": "part"}).merge(counts, on="part")
    fold = take(splits["fold"], places(of_label["image_id"], splits["image_id"]))
    mine = of_label.assign(fold=fold)[fold.notna()].reset_index(drop=True)
    at = places(mine["image_id"], index["image_id"])
    sides = {side: take(index[side], at) for side in ("height", "width")}
    unknown = sides["height"].isna() | sides["width"].isna()
    if bad := mine.loc[unknown, "image_id"].nunique():
        raise MaskError(f"annotations: {bad} images of unknown size have marks; allowed: 0")
    known = {side: values.astype(np.int64) for side, values in sides.items()}
    return mine.assign(**known).sort_values(["image_id", "label"], ignore_index=True)


def _by_place(said: pd.DataFrame) -> Iterator[tuple[Place, list[Geometry]]]:
    """Yield the geometries of each image and label; rows of one stand together."""
    columns = ("image_id", "label", "fold", "kind", "geometry", "height", "width")
    rows = zip(*(said[name].tolist() for name in columns), strict=True)
    for place, of in groupby(rows, key=lambda row: row[:3]):
        yield place, [(kind, drawn, (height, width)) for *_, kind, drawn, height, width in of]


def _union(geometries: list[Geometry], size: int) -> tuple[Bools, int]:
    """Draw what is said of one label of an image; count the geometries that are nowhere."""
    square, lost = np.zeros((size, size), np.bool_), 0
    for kind, geometry, shape in geometries:
        inside = squared(kind, geometry, shape, size)
        if not inside.any():
            inside = _pixel(kind, geometry, shape, size)
            lost += not inside.any()
        square |= inside
    return square, lost


def _pixel(kind: str, geometry: str, shape: tuple[int, int], size: int) -> Bools:
    """Mark the pixel that the middle of a geometry's original pixels lies in, if it has any."""
    rows, columns, top, left = _window(shape, size)
    square = np.zeros((size, size), np.bool_)
    down, across = np.nonzero(annotations.mask(kind, geometry, *shape))
    if len(down):
        row = int((down.mean() + 0.5) * rows / shape[0])
        column = int((across.mean() + 0.5) * columns / shape[1])
        square[top + row, left + column] = True
    return square


def _window(shape: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Return rows and columns that an image fills in a square, and where they begin."""
    rows, columns = (max(1, round(side * size / max(shape))) for side in shape)
    return rows, columns, (size - rows) // 2, (size - columns) // 2


def _head(file: BinaryIO, count: int, size: int) -> None:
    """Write what an array says of itself; numpy leaves room for any count, known at the end."""
    about = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size)}
    npy.write_array_header_1_0(file, about)
