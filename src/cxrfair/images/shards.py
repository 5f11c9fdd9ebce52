"""The image store's making: decoded in shards, one job each, then put together and checked.

A shard is a run of images in the order of their ids, with its own pixels and its own index. What
the store holds does not depend on how many shards or threads made it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pandas as pd

from cxrfair import tables
from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.hashing import stable_hash
from cxrfair.images.decode import UnreadableImageError, decode, error
from cxrfair.images.shades import Grey
from cxrfair.images.store import ImageConfig
from cxrfair.progress import track
from cxrfair.table import Table

Decoded = tuple[Grey | None, int | None, int | None, str | None]

SAMPLED = 128  # one image in so many is decoded in full as well
ESCAPES = "path leaves the data set's folder"
KINDS = {
    "row": "Int64",
    "checksum": "str",
    "width": "Int32",
    "height": "Int32",
    "quarantine": "str",
}
AGAIN = "delete the shard and run again"

SHARD_INDEX = Table(  # `tables.STORE_INDEX` of one shard, rows counted within it
    "shard_index",
    key=("image_id",),
    columns={**tables.STORE_INDEX.columns, "shard_checksum": "string"},  # of the shard's file
)


class ShardError(CxrfairError):
    """Shards that do not make a whole."""


def build_shard(
    records: pd.DataFrame, root: Path, config: ImageConfig, shard: int, pixels: Path, workers: int
) -> pd.DataFrame:
    """Decode the images of one shard into `pixels`, an array (n, size, size) of uint8.

    Shard `i` of `k` holds images [n i / k, n (i + 1) / k) of all n in the order of their ids.
    Orientation flags are ignored and nothing outside `root` is read, also not by a link; `root`
    itself may be one. Unreadable images have a reason, no row and black pixels.

    Returns
    -------
    DataFrame
        Rows of `SHARD_INDEX`, one per record.

    Raises
    ------
    ShardError
        If there is no such shard.
    """
    if not 0 <= shard < config.shards:
        raise ShardError(
            f"shard {shard}; params.yaml images.shards allows 0 to {config.shards - 1}"
        )
    ordered = records.sort_values("image_id", ignore_index=True)
    first, last = (len(ordered) * step // config.shards for step in (shard, shard + 1))
    mine = ordered.iloc[first:last].reset_index(drop=True)
    decoded = _decode_all(root, mine["path"].tolist(), config.size, workers)
    what = f"decode part {shard + 1} of {config.shards}"
    with whole(pixels) as part, part.open("w+b") as file:
        file.write(_header(len(mine), config.size))
        rows = _write(file, track(decoded, what, "images", len(mine)), config.size)
        file.seek(0)
        written = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    index = pd.DataFrame(rows, columns=list(KINDS)).astype(KINDS)
    index["decode_error"] = _errors(root, mine["path"], index["row"].notna(), config.size)
    return pd.concat([mine[["image_id"]], index], axis=1).assign(shard_checksum=written)


def merge(
    shards: Sequence[tuple[Path, pd.DataFrame]], config: ImageConfig, pixels: Path
) -> pd.DataFrame:
    """Copy shards, in order, into one array `pixels`, checking every image on the way.

    Returns
    -------
    DataFrame
        Rows of `tables.STORE_INDEX`, one per record.

    Raises
    ------
    ShardError
        If a shard's pixels are not those its index was written with, or shards are missing, there
        twice or out of order.
    """
    if len(shards) != config.shards:
        raise ShardError(f"shards: {len(shards)} given; params.yaml has {config.shards}")
    merged = pd.concat([index for _, index in shards], ignore_index=True)
    if not (merged["image_id"].is_monotonic_increasing and merged["image_id"].is_unique):
        raise ShardError("shards: images are out of order; give each shard once, in order")
    before = np.repeat(
        np.cumsum([0, *(len(index) for _, index in shards[:-1])]),
        [len(index) for _, index in shards],
    )
    with whole(pixels) as part, part.open("wb") as file:
        file.write(_header(len(merged), config.size))
        for path, index in shards:
            _append(file, path, index, config.size)
    merged["row"] = merged["row"].astype("Int64") + before
    return merged.drop(columns="shard_checksum")


def _errors(root: Path, paths: pd.Series, readable: pd.Series, size: int) -> pd.Series:
    """Measure `decode.error` on a sample that each path is in, or not, whatever the others are."""
    measured = [
        error(root / path, size) if sound and stable_hash(0, path) % SAMPLED == 0 else np.nan
        for path, sound in zip(paths, readable, strict=True)
    ]
    return pd.Series(measured, index=paths.index, dtype="float32")


def _write(file: IO[bytes], decoded: Iterable[Decoded], size: int) -> list[tuple[object, ...]]:
    """Write pixels one image after the other; return what the index says of each."""
    rows: list[tuple[object, ...]] = []
    for i, (grey, width, height, why) in enumerate(decoded):
        data = bytes(size * size) if grey is None else grey.tobytes()
        file.write(data)
        known = (None, None) if grey is None else (i, _checksum(data))
        rows.append((*known, width, height, why))
    return rows


def _append(file: IO[bytes], path: Path, index: pd.DataFrame, size: int) -> None:
    """Copy one shard's pixels, an image at a time."""
    with path.open("rb") as source:
        header = source.read(len(_header(len(index), size)))
        if header != _header(len(index), size):
            raise ShardError(f"{path}: not {len(index)} images of {size} pixels; {AGAIN}")
        seen = hashlib.blake2b(header, digest_size=16)
        for wanted in index["checksum"]:
            image = source.read(size * size)
            if not pd.isna(wanted) and _checksum(image) != wanted:
                raise ShardError(f"{path}: an image is not what its index says; {AGAIN}")
            seen.update(image)
            file.write(image)
        seen.update(source.read(1))  # a byte too many is as wrong as one too few
    if len(index) and seen.hexdigest() != index["shard_checksum"].iloc[0]:
        raise ShardError(f"{path}: not the file its index was written with; {AGAIN}")


def _decode_all(root: Path, paths: list[str], size: int, workers: int) -> Iterator[Decoded]:
    """Decode in threads (decoders let go of the interpreter), yielding in order, a few ahead."""
    ahead = 16 * workers
    inside = root.resolve()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), ahead):
            block = paths[start : start + ahead]
            yield from pool.map(lambda path: _decode_one(inside, path, size), block)


def _decode_one(root: Path, path: str, size: int) -> Decoded:
    """Decode one image below `root`, which is resolved; or say why not."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return None, None, None, ESCAPES
    try:
        if not (root / path).resolve().is_relative_to(root):
            return None, None, None, ESCAPES
        return *decode(root / path, size), None
    except UnreadableImageError as error:
        return None, None, None, str(error)
    except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte in the name
        return None, None, None, "the file cannot be opened"


def _header(count: int, size: int) -> bytes:
    """Return the first bytes of an .npy file of `count` images."""
    file = BytesIO()
    kind = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size)}
    np.lib.format.write_array_header_1_0(file, kind)
    return file.getvalue()


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
