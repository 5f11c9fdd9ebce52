"""Features of images, computed once and read by image id: one array, read as it is asked for."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.lookup import places

Features = NDArray[np.float32]


class EmbeddingError(CxrfairError):
    """Stored features are not what their index says, or not there."""


def write(path: Path, blocks: Iterable[Features], shape: tuple[int, int]) -> None:
    """Save blocks (any, d), one below the other, as one array of `shape` (n, d).

    Whole or not at all; memory does not grow with n. Single precision: with half precision, the
    head on stored features would give other scores than the network.

    Raises
    ------
    EmbeddingError
        If the blocks do not make up that shape, or hold a number that is not finite.
    """
    done = 0
    with whole(path) as part, part.open("wb") as file:
        file.write(_header(shape))
        for block in blocks:
            if block.shape[1:] != shape[1:]:
                raise EmbeddingError(f"{path}: features {block.shape[1:]}; allowed: {shape[1:]}")
            if not np.isfinite(block).all():
                bad = int((~np.isfinite(block)).any(axis=1).sum())
                raise EmbeddingError(f"{path}: features of {bad} images are not finite; allowed: 0")
            file.write(np.ascontiguousarray(block, "<f4").data)
            done += len(block)
        if done != shape[0]:
            raise EmbeddingError(f"{path}: features of {done} images; {shape[0]} were announced")


class Embeddings:
    """Features by image id, read from disk only as they are asked for.

    Parameters
    ----------
    values
        What `write` wrote.
    index
        Rows of `tables.EMBEDDING_INDEX`.

    Raises
    ------
    EmbeddingError
        If the file is no such array, or the index points outside it.
    """

    def __init__(self, values: Path, index: pd.DataFrame) -> None:
        try:
            self._values = np.load(values, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise EmbeddingError(f"{values}: no stored features ({error})") from None
        shape, kind = self._values.shape, self._values.dtype
        if len(shape) != 2 or kind != np.float32:
            raise EmbeddingError(f"{values}: {shape} of {kind}; allowed: (images, d) of float32")
        self._ids, self._rows = index["image_id"], index["row"].to_numpy(np.int64)
        if not np.array_equal(np.sort(self._rows), np.arange(shape[0])):
            raise EmbeddingError(f"{values}: {shape[0]} rows, others than those of its index")

    def read(self, image_ids: Sequence[str]) -> Features:
        """Return features (n, d) of images, in their order.

        Raises
        ------
        EmbeddingError
            If there are none of some of them.
        """
        found = places(pd.Series(list(image_ids), dtype="str"), self._ids)
        if missing := int((found < 0).sum()):
            raise EmbeddingError(
                f"embeddings: {missing} ids that have none; there are {len(self._ids)}"
            )
        return np.asarray(self._values[self._rows[found]])

    @property
    def width(self) -> int:
        """Return d."""
        return int(self._values.shape[1])


def _header(shape: tuple[int, int]) -> bytes:
    """Return the first bytes of an .npy file."""
    file = BytesIO()
    kind = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, kind)
    return file.getvalue()
