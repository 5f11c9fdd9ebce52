"""The image store: every image of a data set decoded once into one memory-mapped array."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.images.decode import UnreadableImageError, decode
from cxrfair.progress import track

Decoded = tuple[NDArray[np.uint8] | None, int | None, int | None, str | None]


class ImageConfig(Section):
    """Section `images` of params.yaml: `size` in pixels, the share of images that may be bad."""

    size: PositiveInt
    max_quarantined: float = Field(ge=0, le=1)


class QuarantineError(CxrfairError):
    """More images than allowed cannot be read."""


def build(
    records: pd.DataFrame, root: Path, config: ImageConfig, pixels: Path, workers: int
) -> pd.DataFrame:
    """Decode every image of `records` into `pixels`, an array (n, size, size) of uint8.

    Returns
    -------
    DataFrame
        Rows of `tables.STORE_INDEX`, one per record; unreadable images have a reason and no row.
    """
    ordered = records.sort_values("image_id", ignore_index=True)
    rows: list[dict[str, object]] = []
    with whole(pixels) as part:
        shape = (len(ordered), config.size, config.size)
        array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        paths = ordered["path"].tolist()
        decoded = track(
            _decode_all(root, paths, config.size, workers), "decode", "images", shape[0]
        )
        for row, (image, width, height, reason) in enumerate(decoded):
            found: dict[str, object] = {"quarantine": reason}
            if image is not None:
                array[row] = image
                checksum = hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
                found |= {"row": row, "width": width, "height": height, "checksum": checksum}
            rows.append(found)
        array.flush()
    columns = ["row", "checksum", "width", "height", "quarantine"]
    index = pd.DataFrame(rows, columns=columns).astype(
        {"row": "Int64", "width": "Int32", "height": "Int32"}
    )
    return pd.concat([ordered[["image_id"]], index], axis=1)


def refuse_if_too_many(index: pd.DataFrame, config: ImageConfig, listed: Path) -> None:
    """Stop the run when the share of unreadable images is above `images.max_quarantined`.

    The list is then kept at `listed`, so that nothing is lost with the failed job's outputs.
    """
    bad = index[index["quarantine"].notna()]
    if len(bad) <= config.max_quarantined * len(index):
        listed.unlink(missing_ok=True)
        return
    with whole(listed) as part:
        bad[["image_id", "quarantine"]].to_csv(part, index=False)
    reasons = ", ".join(f"{n} {why}" for why, n in bad["quarantine"].value_counts().items())
    raise QuarantineError(
        f"images: {len(bad)} of {len(index)} cannot be read ({reasons}), listed in {listed}; "
        f"params.yaml images.max_quarantined allows a share of {config.max_quarantined}"
    )


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


def _decode_all(root: Path, paths: list[str], size: int, workers: int) -> Iterator[Decoded]:
    """Decode in threads (Pillow lets go of the interpreter), yielding in order, a few ahead."""
    ahead = 64 * workers
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), ahead):
            block = paths[start : start + ahead]
            yield from pool.map(lambda path: _decode_one(root, path, size), block)


def _decode_one(root: Path, path: str, size: int) -> Decoded:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return None, None, None, "path leaves the data set's folder"
    try:
        image, width, height = decode(root / path, size)
    except UnreadableImageError as error:
        return None, None, None, str(error)
    return image, width, height, None
