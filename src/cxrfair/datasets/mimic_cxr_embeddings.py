"""MIMIC-CXR image embeddings 1.0: 1376 numbers for each frontal image of MIMIC-CXR."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.datasets import _csv, _source, _tfrecord
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Embeddings, Layout

KIND: _source.Kind = "embeddings"
SOURCE = "Sellergren et al. 2023, Image Embeddings for MIMIC-CXR; Radiology 305:454; PhysioNet"
TABLES = ("SHA256SUMS.txt", "SHA256SUMS.txt.gz")
IMAGES = ("files/p*/p*/s*/*.tfrecord",)
LAYOUT = Layout(
    title="Generalized Image Embeddings for the MIMIC Chest X-Ray dataset 1.0",
    url="https://physionet.org/content/image-embeddings-mimic-cxr/1.0/",
    access="PhysioNet credentialed access: CITI training and a signed data use agreement.",
    files={
        "SHA256SUMS.txt": "every file and its checksum; the licence comes first",
        IMAGES[0]: "the embeddings, a TFRecord each",
    },
    counts={},  # the page gives no number
)
WIDTH = 1376
FEATURE = "embedding"
HEX = r"[0-9a-f]{8}"
PLACE = rf"files/p(\d\d)/p(\1\d{{6}})/s(\d{{8}})/({HEX}(?:-{HEX}){{4}})\.tfrecord"
LISTED = r"([0-9a-f]{64}) [ *]?(.+)"
SHAPE = re.compile(PLACE)
UNLISTED = "embeddings that SHA256SUMS.txt does not list, used"

Read = tuple[NDArray[np.float32], list[str | None]]  # vectors, and why each cannot be used


def read(root: Path) -> Embeddings:
    """List the embeddings; those that only the list of checksums names are absent.

    What a file holds is read, and judged, by `vectors`.

    Raises
    ------
    SourceError
        If the list is missing or damaged, a file lies where none should, or there is none.
    """
    listed = _listed(_csv.locate(root, "SHA256SUMS.txt"))
    found = pd.Series(sorted(_source.files(root, IMAGES).values()), dtype="str")
    odd = found[~found.str.fullmatch(PLACE)]
    if len(odd):
        raise SourceError(
            f"{root}: {odd.iloc[0]} is misplaced; allowed: "
            f"files/pXX/pXXNNNNNN/sNNNNNNNN/<dicom id>.tfrecord ({len(odd)} files)"
        )
    missing = listed[~_source.among(listed, pd.Index(found))]
    extra = ~_source.among(found, pd.Index(listed))
    why = "no embedding file"
    return Embeddings(
        index=_named(found),
        absent=_named(missing)[["image_id", "patient_id"]].assign(why=why),
        width=WIDTH,
        notes={UNLISTED: int(extra.sum())} if extra.any() else {},
    )


def vectors(root: Path, paths: Iterable[str]) -> Iterator[NDArray[np.float32]]:
    """Yield the embedding of each path (below `root`, as in the index), shape (1376,), in order.

    Raises
    ------
    SourceError
        Naming the first file that is missing, damaged or of another width, or that holds a number
        that is not finite; or a path that is not one of this data set.
    """
    shape = pd.Series(list(paths), dtype="str")
    for path, fits in zip(shape, shape.str.fullmatch(PLACE), strict=True):
        if not fits:
            raise SourceError(f"{root}: {path!r} is no path of an embedding")
        vector = _tfrecord.floats(root / path, FEATURE)
        if why := _tfrecord.reason(vector, WIDTH):
            raise SourceError(f"{root / path}: {why}")
        yield vector


def reader(root: Path) -> Callable[[Sequence[str]], Read]:
    """Return what reads many embeddings at once, and does not stop at one that is damaged.

    Returns
    -------
    Callable
        From paths (below `root`, as in the index) to vectors (n, 1376) and, for each, None or why
        it cannot be used, in the words of `vectors`; those that cannot are zeros. Threads may share
        it. A path that is not one of this data set is a SourceError.
    """
    files = _tfrecord.Reader(FEATURE, WIDTH)

    def read(paths: Sequence[str]) -> Read:
        for path in paths:
            if SHAPE.fullmatch(path) is None:
                raise SourceError(f"{root}: a path that is no path of an embedding")
        return files.read([f"{root}/{path}" for path in paths])

    return read


def _listed(path: Path) -> pd.Series:
    """Read the paths of embeddings from the list of checksums."""
    lines = _csv.read_lines(path)
    bad = lines[~lines.str.fullmatch(LISTED)]
    if len(bad):
        raise SourceError(f"{path} row {bad.index[0]}: not a checksum and a path ({len(bad)} rows)")
    names = lines.str.extract(LISTED)[1]
    away = names[names.str.contains(r"(?:^/)|(?:^|/)\.\.(?:/|$)", regex=True)]
    if len(away):
        raise SourceError(
            f"{path} row {away.index[0]}: a path that leaves the folder; "
            f"allowed: paths below it ({len(away)} rows)"
        )
    return names[names.str.fullmatch(PLACE)].drop_duplicates()


def _named(paths: pd.Series) -> pd.DataFrame:
    """Say which image, patient and study each path is of."""
    parts = paths.str.extract(PLACE)
    frame = pd.DataFrame(
        {"image_id": parts[3], "patient_id": parts[1], "study_id": parts[2], "path": paths}
    )
    return frame.astype("str").reset_index(drop=True)
