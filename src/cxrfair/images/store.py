"""The image store: every image of a data set decoded once into one memory-mapped array.

In place of pictures it may hold vectors that were computed from them elsewhere.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.files import whole

Values = NDArray[Any]  # uint8 or float32: see `Store`
Moment = NDArray[np.float64]

PICTURES, VECTORS = (3, np.dtype(np.uint8)), (2, np.dtype(np.float32))
BLOCK = 2048  # vectors that are averaged at a time


class ImageConfig(Section):
    """Section `images` of params.yaml.

    `size` in pixels; `shards`, the parts that are decoded as jobs of their own; `max_quarantined`,
    the share of images that may be unreadable.
    """

    size: PositiveInt
    shards: PositiveInt
    max_quarantined: float = Field(ge=0, le=1)


class QuarantineError(CxrfairError):
    """More images than allowed cannot be read."""


class StoreError(CxrfairError):
    """A store is not what it should be, or does not hold what it is asked for."""


def refuse_if_too_many(
    index: pd.DataFrame, config: ImageConfig, listed: Path, what: str = "images"
) -> None:
    """Stop the run when the share of unreadable images is above `images.max_quarantined`.

    The list is then kept at `listed`, so that nothing is lost with the failed job's outputs. `what`
    is not readable is said in the message.
    """
    bad = index[index["quarantine"].notna()]
    if len(bad) <= config.max_quarantined * len(index):
        listed.unlink(missing_ok=True)
        return
    with whole(listed) as part:
        bad[["image_id", "quarantine"]].to_csv(part, index=False, lineterminator="\n")
    reasons = ", ".join(f"{n} {why}" for why, n in bad["quarantine"].value_counts().items())
    raise QuarantineError(
        f"{what}: {len(bad)} of {len(index)} cannot be read ({reasons}), listed in {listed}; "
        f"params.yaml images.max_quarantined allows a share of {config.max_quarantined}"
    )


def summary(index: pd.DataFrame) -> dict[str, float | int | None]:
    """Count a store's images and those that cannot be read; say how exact decoding is.

    `decode_error` and `decode_error_worst` are grey levels, the mean and the largest over the
    `sampled` images; None where none was decoded at less than its size.
    """
    errors = index["decode_error"].dropna().astype("float64")
    return {
        "images": len(index),
        "quarantined": int(index["quarantine"].notna().sum()),
        "sampled": len(errors),
        "decode_error": float(errors.mean()) if len(errors) else None,
        "decode_error_worst": float(errors.max()) if len(errors) else None,
    }


class Store:
    """Pictures or vectors by image id, read from disk only as they are asked for.

    Parameters
    ----------
    values
        An array (n, size, size) of uint8, the pixels of pictures, or (n, d) of float32, vectors.
    index
        Rows of `tables.STORE_INDEX`.

    Raises
    ------
    StoreError
        If the array is neither.
    """

    def __init__(self, values: Path, index: pd.DataFrame) -> None:
        self._values = np.load(values, mmap_mode="r")
        kind = (self._values.ndim, self._values.dtype)
        if kind not in {PICTURES, VECTORS}:
            raise StoreError(
                f"{values}: {self._values.shape} of {self._values.dtype}; "
                "allowed: (images, size, size) of uint8, (images, d) of float32"
            )
        self.holds_vectors = kind == VECTORS
        readable = index[index["quarantine"].isna()]
        self._row = pd.Series(readable["row"].astype("int64").to_numpy(), readable["image_id"])

    def rows(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return each image's row; an id the store does not hold is an error that names it."""
        rows = self._row.reindex(list(image_ids))
        if rows.isna().any():
            missing = rows.index[rows.isna()]
            raise StoreError(
                f"image store: {len(missing)} ids it does not hold; has {len(self._row)}"
            )
        return rows.to_numpy(np.int64)

    def read(self, rows: NDArray[np.int64]) -> Values:
        """Copy pictures (n, size, size) or vectors (n, d) out of the map."""
        return np.asarray(self._values[rows])

    def moments(self, rows: NDArray[np.int64]) -> tuple[Moment, Moment]:
        """Return mean and SD (by n) of each number of the vectors in these rows, both (d,).

        A row that is given several times counts once. In double precision, and some rows at a time
        in their order on disk, so that memory does not grow with their number.

        Raises
        ------
        StoreError
            If these are pictures, or there is no row.
        """
        distinct = np.unique(rows)
        if not self.holds_vectors or not len(distinct):
            raise StoreError(f"image store: no mean of {len(distinct)} rows; vectors are needed")
        blocks = [distinct[i : i + BLOCK] for i in range(0, len(distinct), BLOCK)]
        total = sum(self.read(block).sum(axis=0, dtype=np.float64) for block in blocks)
        mean: Moment = total / len(distinct)
        squares = sum(np.square(self.read(block) - mean).sum(axis=0) for block in blocks)
        return mean, np.sqrt(squares / len(distinct))

    @property
    def size(self) -> int:
        """Return the side of a picture in pixels, or d, how many numbers a vector has."""
        return int(self._values.shape[1])
