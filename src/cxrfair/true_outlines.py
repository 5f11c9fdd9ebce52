"""What a source would have annotated that knew everything: the outlines of a phantom's findings."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import parquet

from cxrfair import annotations
from cxrfair.lookup import places
from cxrfair.outlines import OutlineError
from cxrfair.phantom import scene
from cxrfair.progress import track
from cxrfair.tables import ANNOTATIONS

SOURCE = "phantom"


def annotate(image_ids: pd.Series, truth: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Outline every finding of a phantom's images, one geometry a finding and image.

    Parameters
    ----------
    image_ids
        Of the images, all of one data set.
    truth
        What stage `phantom` kept of them.
    index
        Rows of `tables.STORE_INDEX`, which say how large the pictures are; one that could not be
        read is of no known size, and has no outline.

    Returns
    -------
    DataFrame
        Rows of `tables.ANNOTATIONS` in original pixels: run lengths of where the mask that the
        picture was made with is above one half. A finding of which nothing is seen (all are, in a
        picture from the side) has no row. `label` is the finding's name.

    Raises
    ------
    OutlineError
        If the truth or the index lacks an image, or a picture is not square.
    """
    known, side = _known(image_ids, truth, index)
    found: list[tuple[str, str, str]] = []
    for size in np.unique(side):
        rows = known[side == size].reset_index(drop=True)
        pieces = scene.batches(rows, int(size))
        for part, pictures in track(pieces, f"outline {len(rows)} images", "pieces"):
            found += _outlines(part["image_id"].tolist(), pictures)
    frame = pd.DataFrame(found, columns=["image_id", "label", "geometry"], dtype="str")
    frame = frame.assign(i=0, kind="rle", source=SOURCE)
    return frame.reindex(columns=ANNOTATIONS.schema.names)


def _known(
    image_ids: pd.Series, truth: Path, index: pd.DataFrame
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the rows of the truth, in order of id, of pictures that could be read; their sides."""
    ids = image_ids.sort_values(ignore_index=True)
    place = places(ids, index["image_id"])
    if lost := int((place < 0).sum()):
        raise OutlineError(f"index: {lost} of {len(ids)} images are not in it; allowed: 0")
    sides = index.iloc[place][["height", "width"]].reset_index(drop=True)
    read = sides.notna().all(axis=1).to_numpy(bool)
    if bad := int((sides[read]["height"] != sides[read]["width"]).sum()):
        raise OutlineError(f"index: {bad} of {len(ids)} images are not square; allowed: 0")
    every: pd.DataFrame = parquet.read_table(truth).to_pandas()
    row = places(ids[read], every["image_id"])
    if lost := int((row < 0).sum()):
        raise OutlineError(f"{truth}: {lost} of {len(row)} images are not in it; allowed: 0")
    return every.iloc[row].reset_index(drop=True), sides.loc[read, "height"].to_numpy(np.int64)


def _outlines(image_ids: list[str], pictures: scene.Pictures) -> Iterator[tuple[str, str, str]]:
    """Yield image, finding and run lengths of what is seen in some pictures."""
    for name, (rows, masks) in sorted(pictures.masks.items()):
        for row, inside in zip(rows, masks > 0.5, strict=True):
            if inside.any():
                yield image_ids[row], name, json.dumps(annotations.rle(inside))
