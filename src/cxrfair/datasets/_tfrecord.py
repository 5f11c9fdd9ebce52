"""TFRecord files of one `tf.train.Example`, read without TensorFlow and without protobuf.

A record is its length (8 bytes, little-endian), a checksum of that, the data, a checksum of those.
The data are protobuf: fields of a tag (number and wire type) and a value. Sources: TensorFlow,
tfrecord.html and example.proto; Protocol Buffers, Encoding.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from cxrfair.datasets._csv import SourceError

Span = tuple[int, int]  # where a part of a file begins and ends
Floats = NDArray[np.float32]

MOST_BYTES = 1 << 24  # a file of one example; what is larger is not one
BEFORE, AFTER = 12, 4  # bytes of a file before and after its data
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
LONGEST_VARINT = 10  # bytes
EXAMPLE_FEATURES = 1
FEATURES_ENTRY = 1
ENTRY_KEY, ENTRY_VALUE = 1, 2
FEATURE_FLOATS = 2
FLOATS_VALUE = 1


def floats(path: Path, feature: str) -> Floats:
    """Return the list of floats that the one example in a file holds under a name, shape (n,).

    Raises
    ------
    SourceError
        If the file cannot be read, is cut short, fails a checksum, holds more or less than one
        record, is not an example or has no such list of floats.
    """
    try:
        data = _load(path)
        return _joined(data, _find(data, feature))
    except ValueError as error:
        raise SourceError(f"{path}: {error}; a TFRecord of one example is needed") from None


def reason(vector: Floats, width: int) -> str | None:
    """Say why floats are not `width` finite ones; None if they are."""
    if vector.shape != (width,):
        return f"{len(vector)} numbers; allowed: {width}"
    if not np.isfinite(vector).all():
        return f"{int((~np.isfinite(vector)).sum())} numbers are not finite; all must be"
    return None


@dataclass(frozen=True)
class _Layout:
    """All of a file but its floats, which lie in one piece, and the checksum of its data.

    What is read of a file, and how, hangs on those bytes alone: floats are looked at by nobody. So
    a file that has the same ones, and whose checksum is right, is read as the first was.
    """

    head: bytes
    foot: bytes
    width: int

    @property
    def size(self) -> int:
        return len(self.head) + 4 * self.width + len(self.foot) + AFTER

    def fits(self, data: bytes) -> bool:
        """Say whether a file is written so, its checksums included."""
        return (
            len(data) == self.size
            and data.startswith(self.head)
            and data.endswith(self.foot, 0, -AFTER)
            and _masked(data[BEFORE:-AFTER]) == data[-AFTER:]
        )


class Reader:
    """Reads `width` floats from each of many files, most of which are written alike.

    What it gives is what `floats` gives: a file whose bytes around the floats are not those of the
    last one that was taken apart is taken apart itself. Threads may share one.
    """

    def __init__(self, feature: str, width: int) -> None:
        self._feature, self._width = feature, width
        self._layout: _Layout | None = None

    def read(self, paths: Sequence[str]) -> tuple[Floats, list[str | None]]:
        """Return the floats of each file (n, width), and why they cannot be used; None if they can.

        Those that cannot are zeros.
        """
        found = np.zeros((len(paths), self._width), np.float32)
        why: list[str | None] = [None] * len(paths)
        for i, path in enumerate(paths):
            try:
                self._into(found[i], path)
            except ValueError as error:
                why[i] = str(error)
        for i in np.flatnonzero(~np.isfinite(found).all(axis=1)).tolist():
            why[i] = reason(found[i], self._width)
            found[i] = 0
        return found, why

    def _into(self, row: Floats, path: str) -> None:
        """Copy the floats of a file, which may not be finite, into a row."""
        layout = self._layout
        if layout is not None:
            data = _bytes(path, layout.size + 1)
            if layout.fits(data):
                row[:] = np.frombuffer(data, "<f4", layout.width, len(layout.head))
                return
        data = _load(Path(path))
        spans = _find(data, self._feature)
        vector = _joined(data, spans)
        if vector.shape != row.shape:
            raise ValueError(reason(vector, self._width))
        row[:] = vector
        if len(spans) == 1:
            ((start, stop),) = spans
            self._layout = _Layout(data[:start], data[stop:-AFTER], self._width)


def _bytes(path: str, most: int) -> bytes:
    """Return the first bytes of a file, none where it cannot be read: `_load` says why."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, most)
    except OSError:
        return b""
    finally:
        os.close(file)


def _load(path: Path) -> bytes:
    """Return a file's bytes."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{size:,} bytes, more than {MOST_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None


def _record(data: bytes) -> Span:
    """Return where what the one record holds lies in a file."""
    if not data:
        raise ValueError("is empty")
    if len(data) < BEFORE:
        raise ValueError(f"cut short: {len(data)} bytes")
    (length,) = struct.unpack_from("<Q", data)
    _check(data[:8], data[8:BEFORE], "length")
    whole = BEFORE + length + AFTER
    if len(data) < whole:
        raise ValueError(f"cut short: {len(data):,} bytes of {whole:,}")
    if len(data) > whole:
        raise ValueError(f"{len(data) - whole:,} bytes after the first record")
    _check(data[BEFORE:-AFTER], data[-AFTER:], "data")
    return BEFORE, BEFORE + length


def _check(data: bytes, checksum: bytes, what: str) -> None:
    """Raise if the checksum is not that of the data."""
    if _masked(data) != checksum:
        raise ValueError(f"the checksum of the {what} is wrong")


def _masked(data: bytes) -> bytes:
    """Return the checksum of data: CRC-32C, turned by 15 bits and shifted."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _find(data: bytes, feature: str) -> list[Span]:
    """Return where in a file the floats under a name lie; of several of that name the last count.

    Only those that hold something: one place for packed floats, or one a float.
    """
    found = None
    names = set()
    entries = _inside(data, _inside(data, [_record(data)], EXAMPLE_FEATURES), FEATURES_ENTRY)
    for entry in entries:
        keys = list(_inside(data, [entry], ENTRY_KEY))[-1:]
        name = b"".join(data[slice(*key)] for key in keys).decode("utf-8", "replace")
        names.add(name)
        if name == feature:
            found = entry
    if found is None:
        raise ValueError(f"no feature {feature!r}; it has {', '.join(sorted(names)) or 'none'}")
    lists = list(_inside(data, _inside(data, [found], ENTRY_VALUE), FEATURE_FLOATS))
    if not lists:
        raise ValueError(f"the feature {feature!r} is no list of floats")
    spans = [span for span in _inside(data, lists, FLOATS_VALUE) if span[0] < span[1]]
    if sum(stop - start for start, stop in spans) % 4:
        raise ValueError(f"the floats of {feature!r} are cut short")
    return spans


def _joined(data: bytes, spans: list[Span]) -> Floats:
    """Return the floats at these places; one written by itself is as packed ones."""
    return np.frombuffer(b"".join(data[slice(*span)] for span in spans), "<f4").astype(np.float32)


def _inside(data: bytes, messages: Iterable[Span], number: int) -> Iterator[Span]:
    """Yield where every field of that number lies in messages, in order."""
    for message in messages:
        for field, content in _fields(data, message):
            if field == number:
                yield content


def _fields(data: bytes, message: Span) -> Iterator[tuple[int, Span]]:
    """Yield number and place of every field of a message; whole numbers are left out."""
    at, end = message
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(data, at, end)
            continue
        if kind == BYTES:
            length, at = _varint(data, at, end)
        elif kind in {FIXED32, FIXED64}:
            length = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"not an example: wire type {kind}")
        if at + length > end:
            raise ValueError("not an example: a field reaches beyond its message")
        yield tag >> 3, (at, at + length)
        at += length


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the whole number at a place, seven bits to a byte, and the place behind it."""
    number = 0
    for i, byte in enumerate(data[at : min(at + LONGEST_VARINT, end)]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number, at + i + 1
    raise ValueError("not an example: a number has no end")
