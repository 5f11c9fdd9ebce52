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


def _field(number, content, kind=2):
    if kind == 5:
        return bytes([number << 3 | 5]) + content
    length = len(content)
    size = [length & 0x7F | 0x80, length >> 7] if length > 127 else [length]
    return bytes([number << 3 | 2, *size]) + content


def _list_of(values, cuts):
    """Write floats packed in pieces that end at the cuts, or one by one where there is None."""
    raw = np.asarray(values, "<f4").tobytes()
    if cuts is None:
        return b"".join(_field(1, raw[i : i + 4], 5) for i in range(0, len(raw), 4))
    ends = [0, *(4 * cut for cut in sorted(cuts)), len(raw)]
    return b"".join(_field(1, raw[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True))


@st.composite
def _examples(draw):
    """Draw an example of three floats, written in any way that is allowed."""
    values = draw(st.lists(st.floats(width=32), min_size=3, max_size=3))
    cuts = draw(st.none() | st.lists(st.integers(0, 3), max_size=2))
    body = _field(2, _list_of(values, cuts))
    parts = [_field(1, b"embedding"), _field(2, body)]
    entries = [_field(1, b"".join(draw(st.permutations(parts))))]
    for name in draw(st.lists(st.sampled_from([b"a", b"embedding"]), max_size=2)):
        other = _field(2, _list_of(draw(st.lists(st.just(2.5), min_size=1, max_size=4)), []))
        entries.insert(
            draw(st.integers(0, len(entries))), _field(1, _field(1, name) + _field(2, other))
        )
    return _field(1, b"".join(entries))


def _general(path, width=3):
    """Read a file by itself: the oracle of many at once."""
    try:
        vector = _tfrecord.floats(path, "embedding")
    except SourceError as error:
        return str(error).removeprefix(f"{path}: ").rpartition("; a TFRecord")[0]
    return _tfrecord.reason(vector, width) or vector


def _agree(reader, paths):
    found, why = reader.read([str(path) for path in paths])
    assert found.dtype == np.float32
    for vector, said, path in zip(found, why, paths, strict=True):
        alone = _general(path)
        if isinstance(alone, str):
            assert said == alone
            assert not vector.any()
        else:
            assert said is None
            np.testing.assert_array_equal(vector, alone)


@given(st.lists(_examples(), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_many_at_once_are_read_as_each_alone_however_they_are_written(examples, order):
    with TemporaryDirectory() as folder:
        paths = [_framed(Path(folder) / str(i), data) for i, data in enumerate(examples)]
        again = [paths[i % len(paths)] for i in order]
        _agree(_tfrecord.Reader("embedding", 3), paths + again)


@given(st.lists(FLOATS.filter(lambda values: len(values) == 3), min_size=2, max_size=5))
def test_many_of_another_library_are_read(rows):
    with TemporaryDirectory() as folder:
        paths = [
            _written(Path(folder) / str(i), embedding=("float", row)) for i, row in enumerate(rows)
        ]
        _agree(_tfrecord.Reader("embedding", 3), paths)


def test_the_last_of_two_equal_lists_counts_whichever_was_seen_first(tmp_path):
    """Two entries of one name with equal floats: a search for the floats would find the first."""

    def twice(first, last):
        lists = [_field(2, _field(2, _list_of(row, []))) for row in (first, last)]
        entries = [_field(1, _field(1, b"embedding") + each) for each in lists]
        return _field(1, b"".join(entries))

    one, two = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    made = [(one, one), (two, one), (one, two)]
    paths = [_framed(tmp_path / str(i), twice(*pair)) for i, pair in enumerate(made)]
    found, why = _tfrecord.Reader("embedding", 3).read([str(path) for path in paths])
    assert found.tolist() == [one, one, two]
    assert why == [None] * 3


def test_among_many_a_file_cut_or_changed_anywhere_is_told_as_alone(one, tmp_path):
    data = one.read_bytes()
    paths = [one]
    for i in range(len(data)):
        for name, spoilt in (
            (f"cut{i}", data[:i]),
            (f"changed{i}", data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :]),
        ):
            paths.append(tmp_path / name)
            paths[-1].write_bytes(spoilt)
    longer = tmp_path / "longer"
    longer.write_bytes(data + b"x")
    odd = _written(tmp_path / "odd", embedding=("float", [1.0, np.nan, np.inf]))
    _agree(_tfrecord.Reader("embedding", 3), [*paths, longer, tmp_path / "none", tmp_path, odd])


def test_files_that_are_written_alike_are_taken_apart_once(tmp_path, monkeypatch):
    paths = [_written(tmp_path / str(i), embedding=("float", [i, 0.5, -2.0])) for i in range(5)]
    apart, find = [], _tfrecord._find
    monkeypatch.setattr(_tfrecord, "_find", lambda *given: apart.append(given) or find(*given))
    found, why = _tfrecord.Reader("embedding", 3).read([str(path) for path in paths])
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert why == [None] * 5
    assert len(apart) == 1
