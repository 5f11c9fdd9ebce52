"""Embeddings of the frontal images of MIMIC-CXR: a TFRecord file each, of 1376 numbers.

A vector is a fixed random projection of what is so (findings, and attributes along the direct path)
and of what is seen (a coarse copy of the picture).
"""

import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cxrfair.phantom import noise, output, scene
from cxrfair.phantom.config import RACES, PhantomConfig
from cxrfair.phantom.population import FINDINGS
from cxrfair.phantom.writers import _mimic

WIDTH = 1376
COARSE = 16  # pixels along a side of the copy that a vector sees
LICENCE = "Simulated: no licence is needed. The original is PhysioNet's, under its licence.\n"
Array = NDArray[np.floating[Any]]


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    with output.Tables(root) as tables:
        tables.add_text("LICENSE.txt", LICENCE)
        tables.add_text("SHA256SUMS.txt", _line(LICENCE.encode(), "LICENSE.txt"))
        for images in _mimic.images(config, ".tfrecord"):
            rows = images[~images["lateral"].astype(bool)].reset_index(drop=True)
            rows = rows.assign(spoilt=output.spoilt(config, rows))
            tables.add_text("SHA256SUMS.txt", "".join(_save(config, rows, root)))
            yield rows


def _save(config: PhantomConfig, images: pd.DataFrame, root: Path) -> Iterator[str]:
    """Write a file for each image, and yield its line of checksums, of the file as it should be."""
    projection = _projection(config)
    for rows, pictures in scene.batches(images, config.image_size):
        vectors = (_features(config, rows, pictures.grey) @ projection).astype("<f4")
        for path, how, vector in zip(rows["path"], rows["spoilt"], vectors, strict=True):
            data = _record(_example(vector.tobytes()))
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(_spoil(data, how))
            yield _line(data, path)


def _features(config: PhantomConfig, rows: pd.DataFrame, grey: scene.Bytes) -> Array:
    """Return (n, features): findings, attributes by the direct path, pixels; all near unit size."""
    direct = config.direct_path
    there = rows[[f"{name}_{what}" for name in FINDINGS for what in ("load", "severity")]]
    sex = direct.sex * np.where(rows["sex"] == "female", 1.0, -1.0)
    age = direct.age * (rows["age_years"].to_numpy(float) - 55) / 20
    race = direct.race * (rows["race"].to_numpy()[:, None] == np.asarray(RACES))
    coarse = [
        np.asarray(Image.fromarray(picture).resize((COARSE, COARSE), Image.Resampling.BOX))
        for picture in grey
    ]
    pixels = np.stack(coarse).reshape(len(rows), -1) / 64 - 2
    return np.column_stack([there.to_numpy(float), sex, age, race, pixels])


def _projection(config: PhantomConfig) -> Array:
    """Return (features, WIDTH) fixed random weights."""
    features = 2 * len(FINDINGS) + 2 + len(RACES) + COARSE**2
    drawn = noise.generator(config.seed, "embedding", 0).standard_normal((features, WIDTH))
    weights: Array = drawn / np.sqrt(features)
    return weights


def _example(floats: bytes) -> bytes:
    """Return a `tf.train.Example` of one feature, `embedding`, a list of packed floats."""
    values = _field(1, floats)  # FloatList.value
    feature = _field(2, values)  # Feature.float_list
    entry = _field(1, b"embedding") + _field(2, feature)  # an entry of Features.feature
    return _field(1, _field(1, entry))  # Example.features


def _field(number: int, content: bytes) -> bytes:
    """Return a protobuf field that holds bytes: its tag, its length and the bytes."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a whole number, seven bits to a byte, the lowest first."""
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _record(data: bytes) -> bytes:
    """Return a TFRecord: length and data, each with its masked checksum."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    """Return the checksum of TFRecord: CRC-32C, turned and shifted."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _spoil(data: bytes, how: str) -> bytes:
    """Return the bytes of a file, spoilt in the way that is told."""
    spoilt = {
        "truncated": data[: len(data) // 2],
        "not an image": b"<html><body>404 Not Found</body></html>\n",
        "empty": b"",
    }
    return spoilt.get(how, data)


def _line(data: bytes, path: str) -> str:
    """Return a line of `SHA256SUMS.txt`."""
    return f"{sha256(data).hexdigest()} {path}\n"
