"""What images look like, in numbers that need no network: vectors, or pictures made small."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxrfair.images.store import Store

SIDE = 16  # pixels along a side of the small copy
BLOCK = 4096  # images read at once


def appearance(store: Store, image_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return (n, d) of images in their order: their vectors, or their grey levels by area.

    A picture is made `SIDE` x `SIDE` pixels, each the mean of those it covers; where its side is no
    multiple of that, some cover a row or a column more than others. A smaller picture stays as it
    is.

    Raises
    ------
    CxrfairError
        If the store does not hold an image.
    """
    rows = store.rows(image_ids)
    first = store.read(rows[:1])
    width = first.shape[1] if store.holds_vectors else min(SIDE, first.shape[1]) ** 2
    found = np.empty((len(rows), width), np.float32)
    for start in range(0, len(rows), BLOCK):
        at = slice(start, start + BLOCK)
        seen = store.read(rows[at])
        found[at] = seen if store.holds_vectors else small(seen)
    return found


def small(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pictures (n, s, s) as means over areas, (n, side * side) in grey levels, by row."""
    side = min(SIDE, pixels.shape[1])
    edges = np.linspace(0, pixels.shape[1], side + 1).astype(np.int64)
    sums = np.add.reduceat(pixels.astype(np.float32), edges[:-1], axis=1)
    sums = np.add.reduceat(sums, edges[:-1], axis=2)
    covered = np.diff(edges)
    means = sums / np.outer(covered, covered)
    return np.asarray(means.reshape(len(pixels), -1), np.float32)
