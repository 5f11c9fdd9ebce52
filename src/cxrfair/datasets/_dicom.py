"""Headers of DICOM files: a few tags of many files, as text; pixels are never read."""

import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pandas as pd
from pydicom import config, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cxrfair.progress import track

READERS = 16  # threads: a header is a wait for the disk
WHY = "why"  # column: why a header cannot be read, missing where it can
DAMAGED = "damaged DICOM header"
NOT_DICOM = "not a DICOM file"
LEAVES = "path leaves the data set's folder"
DAMAGE = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def headers(root: Path, paths: Sequence[str], tags: Sequence[str]) -> pd.DataFrame:
    """Read the `tags` (keywords) of the files at `paths` below `root`.

    Returns
    -------
    DataFrame
        A row a path, in order: a column of text for each tag, missing where the file has none or an
        empty one, and `why`.
    """
    config.settings.reading_validation_mode = config.IGNORE  # we check what we use
    inside = root.resolve()
    with ThreadPoolExecutor(READERS) as pool:
        rows = pool.map(lambda path: _header(inside, path, tags), paths)
        found = list(track(rows, "read headers", "files", len(paths)))
    return pd.DataFrame(found, columns=[*tags, WHY], dtype="str")


def _header(root: Path, path: str, tags: Sequence[str]) -> list[str | None]:
    """Read one file's tags, then why they cannot be read."""
    nothing: list[str | None] = [None] * len(tags)
    try:
        if not (root / path).resolve().is_relative_to(root):
            return [*nothing, LEAVES]
        with (root / path).open("rb") as file:
            return [*_values(file, tags), None]
    except InvalidDicomError:
        return [*nothing, NOT_DICOM]
    except DAMAGE:
        return [*nothing, DAMAGED]


def _values(file: BinaryIO, tags: Sequence[str]) -> list[str | None]:
    """Read the tags of an open file; a header that is itself compressed could have any size."""
    read_preamble(file, force=False)
    meta = read_dataset(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group > 2
    )
    if "TransferSyntaxUID" not in meta:
        raise ValueError("no transfer syntax")
    if meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        raise ValueError("deflated")
    file.seek(0)
    header = dcmread(file, stop_before_pixels=True, specific_tags=list(tags))
    return [_text(header.get(tag)) for tag in tags]


def _text(value: object) -> str | None:
    """Return a value as text; None if there is nothing in it."""
    text = "" if value is None else str(value).strip("\0 ")
    return text or None
