"""Where findings are in images as a store holds them: from a phantom's truth, or as a source saw.

A mask is true where a pixel is inside the finding: where the phantom's own mask is above one half,
or inside any geometry of the finding, whoever drew it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import parquet

from cxrfair.errors import CxrfairError
from cxrfair.images.masks import squared
from cxrfair.lookup import places
from cxrfair.phantom import scene

Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]
Masks = Mapping[str, tuple[Rows, Bools]]


class OutlineError(CxrfairError):
    """Nothing is known of where findings are in an image."""


def from_truth(image_ids: Sequence[str], truth: Path, size: int) -> Masks:
    """Draw the masks of a phantom's images again, at `size` pixels a side.

    Returns
    -------
    Masks
        By finding, those of `image_ids` in which it is seen, as places among them (k,) in order,
        and its masks (k, size, size).

    Raises
    ------
    OutlineError
        If the truth lacks an image.
    """
    wanted = [("image_id", "in", list(image_ids))]
    known: pd.DataFrame = parquet.read_table(truth, filters=wanted).to_pandas()
    found = places(pd.Series(image_ids, dtype="str"), known["image_id"])
    if lost := int((found < 0).sum()):
        raise OutlineError(f"{truth}: {lost} of {len(found)} images are not in it; allowed: 0")
    parts: dict[str, list[tuple[Rows, Bools]]] = {}
    start = 0
    for rows, pictures in scene.batches(known.iloc[found].reset_index(drop=True), size):
        for name, (row, mask) in pictures.masks.items():
            inside = mask > 0.5
            seen = np.flatnonzero(inside.any(axis=(1, 2)))
            parts.setdefault(name, []).append((row[seen] + start, inside[seen]))
        start += len(rows)
    joined = {
        name: (np.concatenate([row for row, _ in of]), np.concatenate([mask for _, mask in of]))
        for name, of in sorted(parts.items())
    }
    return {name: (rows, mask) for name, (rows, mask) in joined.items() if len(rows)}


def from_annotations(
    image_ids: Sequence[str], marks: pd.DataFrame, index: pd.DataFrame, size: int
) -> Masks:
    """Draw what a source saw, each finding of an image as the union of its geometries.

    Parameters
    ----------
    marks
        Rows of `tables.ANNOTATIONS`, in original pixels; of images other than `image_ids` too.
    index
        Rows of `tables.STORE_INDEX`, which say how large each image was before it was made
        `size` pixels a side, its longer side filling them and its shorter centred.

    Returns
    -------
    Masks
        As `from_truth` gives. An image without a mark of a finding may well have it.

    Raises
    ------
    OutlineError
        If nobody knows the size of an image with a mark.
    GeometryError
        If a geometry is not what its kind promises.
    """
    row = places(marks["image_id"], pd.Index(image_ids))
    mine = marks.assign(row=row)[row >= 0].reset_index(drop=True)
    at = places(mine["image_id"], index["image_id"])
    known = index.iloc[at][["height", "width"]].reset_index(drop=True)
    if bad := int((known.isna().any(axis=1) | (at < 0)).sum()):
        raise OutlineError(f"annotations: {bad} of images of unknown size; allowed: 0")
    drawn: dict[tuple[str, int], Bools] = {}
    marked = pd.concat([mine[["label", "row", "kind", "geometry"]], known], axis=1)
    for label, place, kind, geometry, height, width in marked.itertuples(index=False):
        inside = squared(kind, geometry, (int(height), int(width)), size)
        before = drawn.get((label, place))
        drawn[label, place] = inside if before is None else before | inside
    return _stacked({key: mask for key, mask in sorted(drawn.items()) if mask.any()})


def _stacked(drawn: Mapping[tuple[str, int], Bools]) -> Masks:
    """Put the masks of each finding together, in order."""
    found = {}
    for name in dict.fromkeys(label for label, _ in drawn):
        of = {row: mask for (label, row), mask in drawn.items() if label == name}
        found[name] = (np.array(list(of), np.intp), np.stack(list(of.values())))
    return found
