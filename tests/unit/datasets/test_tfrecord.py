import re
import struct
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfrecord import example_pb2
from tfrecord.writer import TFRecordWriter

from cxrfair.datasets import SourceError, _tfrecord

FLOATS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40)


def _written(path, **features):
    writer = TFRecordWriter(str(path))
    writer.write({name: (values, kind) for name, (kind, values) in features.items()})
    writer.close()
    return path


def _crc(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _framed(path, data):
    length = struct.pack("<Q", len(data))
    path.write_bytes(length + _crc(length) + data + _crc(data))
    return path


@pytest.fixture
def one(tmp_path):
    return _written(tmp_path / "one.tfrecord", embedding=("float", [0.5, -2.0, 1e-3]))


def _refused(path, says, feature="embedding"):
    with pytest.raises(SourceError, match=says) as caught:
        _tfrecord.floats(path, feature)
    assert str(path) in str(caught.value)


@given(FLOATS, st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=4))
def test_what_another_library_writes_is_read(values, others):
    with TemporaryDirectory() as folder:
        path = _written(
            Path(folder) / "x.tfrecord",
            a=("int", others),
            embedding=("float", values),
            name=("byte", [b"p1", b""]),
        )
        found = _tfrecord.floats(path, "embedding")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(values, np.float32))


def test_floats_may_be_written_one_by_one(tmp_path):
    values = b"".join(b"\x0d" + struct.pack("<f", value) for value in (1.5, -2.0))
    feature = b"\x12" + bytes([len(values)]) + values
    entry = b"\x0a\x01e\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    path = _framed(tmp_path / "x", b"\x0a" + bytes([len(features)]) + features)
    oracle = example_pb2.Example()
    oracle.ParseFromString(path.read_bytes()[12:-4])
    assert list(oracle.features.feature["e"].float_list.value) == [1.5, -2.0]
    assert _tfrecord.floats(path, "e").tolist() == [1.5, -2.0]


def test_a_file_cut_anywhere_is_refused(one, tmp_path):
    data = one.read_bytes()
    cut = tmp_path / "cut.tfrecord"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        _refused(cut, "is empty" if length == 0 else "cut short")


def test_any_changed_byte_is_noticed(one, tmp_path):
    data = one.read_bytes()
    changed = tmp_path / "changed.tfrecord"
    for place in range(len(data)):
        changed.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        _refused(changed, "checksum of the (length|data) is wrong")


def test_more_than_one_record_is_refused(one):
    one.write_bytes(one.read_bytes() * 2)
    _refused(one, "bytes after the first record")


def test_a_huge_file_and_none_are_refused(one, tmp_path, monkeypatch):
    _refused(tmp_path / "none", "cannot be read")
    _refused(tmp_path, "cannot be read")
    monkeypatch.setattr(_tfrecord, "MOST_BYTES", 40)
    _refused(one, "bytes, more than 40")


def test_another_feature_and_another_kind_are_named(one, tmp_path):
    _refused(one, re.escape("no feature 'vector'; it has embedding"), "vector")
    _refused(_framed(tmp_path / "bare", b""), "no feature 'embedding'; it has none")
    ints = _written(tmp_path / "ints", embedding=("int", [1, 2]))
    _refused(ints, "is no list of floats")


@given(st.binary(max_size=60))
def test_anything_in_a_sound_frame_is_read_or_refused_in_our_words(data):
    with TemporaryDirectory() as folder:
        path = _framed(Path(folder) / "x", data)
        with suppress(SourceError):
            assert _tfrecord.floats(path, "embedding").dtype == np.float32


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x0b", "wire type 3"),
        (b"\x0a\x05ab", "reaches beyond its message"),
        (b"\x0d\x00", "reaches beyond its message"),
        (b"\xff" * 12, "a number has no end"),
        (b"\x0a", "a number has no end"),
    ],
)
def test_what_is_no_example_is_refused(tmp_path, data, says):
    _refused(_framed(tmp_path / "x", data), f"not an example: .*{says}|not an example: {says}")
