"""The store of vectors that others computed from a data set's images: all in one array."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import datasets, embeddings
from cxrfair.errors import CxrfairError
from cxrfair.lookup import places
from cxrfair.progress import meter

Floats = NDArray[np.float32]
Reader = Callable[[Sequence[str]], tuple[Floats, list[str | None]]]

AT_ONCE = 256  # files that a thread reads before it hands them on
NO_FILE = "no embedding file"


class VectorError(CxrfairError):
    """There are no vectors where some are asked for."""


@dataclass(frozen=True)
class Built:
    """What became of each image: rows of `tables.STORE_INDEX`, and which could have a vector.

    Vectors are made of some images of a data set only (of MIMIC-CXR, the frontal ones). `expected`
    (n,) are those that their source names, whether it holds the file or lists it as absent; the
    others are in quarantine like images whose file is missing, but nothing is wrong with them.
    """

    index: pd.DataFrame
    expected: NDArray[np.bool_]


def build(records: pd.DataFrame, source: str, root: Path, values: Path, workers: int) -> Built:
    """Read the vectors of images into `values`, an array (m, d) of float32, whole or not at all.

    Parameters
    ----------
    records
        Rows of `tables.RECORDS`, n images.
    source, root
        The data set of vectors, of kind `embeddings`, and where it lies.
    values
        Gets a row for each of the m images whose file is there, in the order of their ids; zeros
        where the file cannot be used.
    workers
        Threads. The result does not depend on them.

    Raises
    ------
    VectorError
        If the source holds no vectors, or none of these images.
    SourceError
        If its list of files breaks its promise.
    """
    held = _held(source, root)
    images = records["image_id"].sort_values(ignore_index=True)
    place = places(images, held.index["image_id"])
    there = place >= 0
    if not there.any():
        raise VectorError(
            f"vectors: none of {len(images)} images has a file in {source}, which holds "
            f"{len(held.index)}; at least one is needed"
        )
    named: Any = datasets.get(source)
    paths = held.index["path"].iloc[place[there]].tolist()
    told = _copy(named.reader(root), paths, (values, held.width), workers)
    listed = places(images, held.absent["image_id"]) >= 0
    return Built(_index(images, there, told, held.width), there | listed)


def _held(source: str, root: Path) -> datasets.Embeddings:
    """List the vectors of a data set."""
    held = datasets.read(source, root, "{}")
    if not isinstance(held, datasets.Embeddings):
        kind = datasets.get(source).KIND
        raise VectorError(f"vectors: {source} holds {kind}; a data set of embeddings is needed")
    return held


def _copy(
    read: Reader, paths: list[str], target: tuple[Path, int], workers: int
) -> list[tuple[str | None, str | None]]:
    """Write the vectors of files one below the other; return checksum and fault of each."""
    values, width = target
    told: list[tuple[str | None, str | None]] = []

    def blocks() -> Iterator[Floats]:
        with meter("read vectors", "files", len(paths)) as shown:
            for block, each in _read_all(read, paths, workers):
                told.extend(each)
                yield block
                shown.advance(len(block))

    embeddings.write(values, blocks(), (len(paths), width))
    return told


def _read_all(
    read: Reader, paths: list[str], workers: int
) -> Iterator[tuple[Floats, list[tuple[str | None, str | None]]]]:
    """Read in threads (the system and the checksums let go of the interpreter), in order."""

    def one(start: int) -> tuple[Floats, list[tuple[str | None, str | None]]]:
        found, why = read(paths[start : start + AT_ONCE])
        return found, [
            (_checksum(vector) if fault is None else None, fault)
            for vector, fault in zip(found, why, strict=True)
        ]

    ahead = 4 * workers * AT_ONCE
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), ahead):
            stop = min(start + ahead, len(paths))
            yield from pool.map(one, range(start, stop, AT_ONCE))


def _index(
    images: pd.Series,
    there: NDArray[np.bool_],
    told: list[tuple[str | None, str | None]],
    width: int,
) -> pd.DataFrame:
    """Make the store's index; rows that were written for a file without a use belong to nobody."""
    index = pd.DataFrame({"image_id": images, "quarantine": NO_FILE}).astype("str")
    at = np.flatnonzero(there)
    index.loc[at, "quarantine"] = [fault for _, fault in told]
    index["checksum"] = pd.Series([checksum for checksum, _ in told], index=at, dtype="str")
    usable = index["quarantine"].isna()
    row = pd.Series(np.cumsum(there) - 1).astype("Int64")
    return index.assign(
        row=row.where(usable),
        width=pd.Series(width, index.index, dtype="Int32").where(usable),
        height=pd.Series(1, index.index, dtype="Int32").where(usable),
        decode_error=pd.Series(np.nan, index.index, dtype="float32"),
    )


def _checksum(vector: Floats) -> str:
    return hashlib.blake2b(vector.data, digest_size=16).hexdigest()
