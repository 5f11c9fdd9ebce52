"""TFRecord files of one `tf.train.Example`, read without TensorFlow and without protobuf.

A record is its length (8 bytes, little-endian), a checksum of that, the data, a checksum of those.
The data are protobuf: fields of a tag (number and wire type) and a value. Sources: TensorFlow,
tfrecord.html and example.proto; Protocol Buffers, Encoding.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from cxrfair.datasets._csv import SourceError

MOST_BYTES = 1 << 24  # a file of one example; what is larger is not one
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
LONGEST_VARINT = 10  # bytes
EXAMPLE_FEATURES = 1
FEATURES_ENTRY = 1
ENTRY_KEY, ENTRY_VALUE = 1, 2
FEATURE_FLOATS = 2
FLOATS_VALUE = 1


def floats(path: Path, feature: str) -> NDArray[np.float32]:
    """Return the list of floats that the one example in a file holds under a name, shape (n,).

    Raises
    ------
    SourceError
        If the file cannot be read, is cut short, fails a checksum, holds more or less than one
        record, is not an example or has no such list of floats.
    """
    try:
        return _find(_record(_load(path)), feature)
    except ValueError as error:
        raise SourceError(f"{path}: {error}; a TFRecord of one example is needed") from None


def _load(path: Path) -> bytes:
    """Return a file's bytes."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{size:,} bytes, more than {MOST_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None


def _record(data: bytes) -> bytes:
    """Return what the one record holds."""
    if not data:
        raise ValueError("is empty")
    if len(data) < 12:
        raise ValueError(f"cut short: {len(data)} bytes")
    (length,) = struct.unpack_from("<Q", data)
    _check(data[:8], data[8:12], "length")
    if len(data) < 16 + length:
        raise ValueError(f"cut short: {len(data):,} bytes of {16 + length:,}")
    if len(data) > 16 + length:
        raise ValueError(f"{len(data) - 16 - length:,} bytes after the first record")
    content = data[12 : 12 + length]
    _check(content, data[12 + length :], "data")
    return content


def _check(data: bytes, checksum: bytes, what: str) -> None:
    """Raise if the checksum, CRC-32C turned by 15 bits and shifted, is not that of the data."""
    crc = google_crc32c.value(data)
    if struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF) != checksum:
        raise ValueError(f"the checksum of the {what} is wrong")


def _find(example: bytes, feature: str) -> NDArray[np.float32]:
    """Return the floats under a name; of several entries of that name the last counts."""
    found = None
    names = set()
    for entry in _inside(_inside([example], EXAMPLE_FEATURES), FEATURES_ENTRY):
        name = b"".join(list(_inside([entry], ENTRY_KEY))[-1:]).decode("utf-8", "replace")
        names.add(name)
        if name == feature:
            found = entry
    if found is None:
        raise ValueError(f"no feature {feature!r}; it has {', '.join(sorted(names)) or 'none'}")
    lists = list(_inside(_inside([found], ENTRY_VALUE), FEATURE_FLOATS))
    if not lists:
        raise ValueError(f"the feature {feature!r} is no list of floats")
    packed = b"".join(_inside(lists, FLOATS_VALUE))  # a float written by itself is as packed ones
    if len(packed) % 4:
        raise ValueError(f"the floats of {feature!r} are cut short")
    return np.frombuffer(packed, "<f4").astype(np.float32)


def _inside(messages: "Iterator[bytes] | list[bytes]", number: int) -> Iterator[bytes]:
    """Yield the bytes of every field of that number, in order."""
    for message in messages:
        for field, content in _fields(message):
            if field == number:
                yield content


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, bytes) of every field of a message; whole numbers' bytes are left out."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(message, at)
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in {FIXED32, FIXED64}:
            length = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"not an example: wire type {kind}")
        if at + length > len(message):
            raise ValueError("not an example: a field reaches beyond its message")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the whole number at a place, seven bits to a byte, and the place behind it."""
    number = 0
    for i, byte in enumerate(message[at : at + LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number, at + i + 1
    raise ValueError("not an example: a number has no end")
