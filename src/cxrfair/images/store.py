"""The image store: every image of a data set decoded once into one memory-mapped array."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.files import whole


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


def refuse_if_too_many(index: pd.DataFrame, config: ImageConfig, listed: Path) -> None:
    """Stop the run when the share of unreadable images is above `images.max_quarantined`.

    The list is then kept at `listed`, so that nothing is lost with the failed job's outputs.
    """
    bad = index[index["quarantine"].notna()]
    if len(bad) <= config.max_quarantined * len(index):
        listed.unlink(missing_ok=True)
        return
    with whole(listed) as part:
        bad[["image_id", "quarantine"]].to_csv(part, index=False, lineterminator="\n")
    reasons = ", ".join(f"{n} {why}" for why, n in bad["quarantine"].value_counts().items())
    raise QuarantineError(
        f"images: {len(bad)} of {len(index)} cannot be read ({reasons}), listed in {listed}; "
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
    """Pixels by image id, read from disk only as they are asked for."""

    def __init__(self, pixels: Path, index: pd.DataFrame) -> None:
        self._pixels = np.load(pixels, mmap_mode="r")
        readable = index[index["quarantine"].isna()]
        self._row = pd.Series(readable["row"].astype("int64").to_numpy(), readable["image_id"])

    def rows(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return each image's row; an id the store does not hold is an error that names it."""
        rows = self._row.reindex(list(image_ids))
        if rows.isna().any():
            missing = rows.index[rows.isna()]
            raise CxrfairError(
                f"image store: {len(missing)} ids it does not hold; has {len(self._row)}"
            )
        return rows.to_numpy(np.int64)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy images (n, size, size) out of the map."""
        return np.asarray(self._pixels[rows])

    @property
    def size(self) -> int:
        """Return the side of an image in pixels."""
        return int(self._pixels.shape[1])
