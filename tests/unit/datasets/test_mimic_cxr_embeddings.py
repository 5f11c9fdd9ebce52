import numpy as np
import pytest
from tfrecord.writer import TFRecordWriter

from cxrfair import datasets, tables
from cxrfair.datasets import SourceError, mimic_cxr_embeddings

NAMES = [f"{i:08x}-00000000-00000000-00000000-0000000{i}" for i in range(1, 4)]
PATHS = [f"files/p10/p10000032/s5000000{i}/{name}.tfrecord" for i, name in enumerate(NAMES)]
SUM = "0" * 64


def _vector(root, path, values, name="embedding"):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(root / path))
    writer.write({name: (values, "float")})
    writer.close()


def _list(root, *lines):
    (root / "SHA256SUMS.txt").write_text("\n".join([f"{SUM} LICENSE.txt", *lines, ""]))


def _write(root, paths=PATHS):
    for i, path in enumerate(paths):
        _vector(root, path, np.full(1376, i, np.float32))
    _list(root, *(f"{SUM} {path}" for path in paths))


def _read(root):
    return datasets.read("mimic_cxr_embeddings", root, "{}")


def test_the_index_names_images_patients_and_studies(tmp_path):
    _write(tmp_path)
    found = _read(tmp_path)
    assert found.width == 1376
    assert found.index.to_dict("list") == {
        "image_id": NAMES,
        "patient_id": ["10000032"] * 3,
        "study_id": ["50000000", "50000001", "50000002"],
        "path": PATHS,
    }
    assert found.absent.empty
    assert found.notes == {}


def test_files_that_are_only_listed_are_absent_and_unlisted_ones_are_counted(tmp_path):
    _write(tmp_path)
    (tmp_path / PATHS[0]).unlink()
    _list(tmp_path, f"{SUM}  {PATHS[0]}", f"{SUM} {PATHS[1]}")
    found = _read(tmp_path)
    tables.ABSENT.check(found.absent)
    assert found.index["image_id"].tolist() == NAMES[1:]
    assert found.absent.to_dict("records") == [
        {"image_id": NAMES[0], "patient_id": "10000032", "why": "no embedding file"}
    ]
    assert found.notes == {mimic_cxr_embeddings.UNLISTED: 1}


def test_vectors_come_in_the_order_asked_for(tmp_path):
    _write(tmp_path)
    found = list(mimic_cxr_embeddings.vectors(tmp_path, [PATHS[2], PATHS[0]]))
    assert [vector.dtype for vector in found] == [np.float32] * 2
    np.testing.assert_array_equal(found, np.repeat([[2.0], [0.0]], 1376, axis=1))
    assert list(mimic_cxr_embeddings.vectors(tmp_path, [])) == []


@pytest.mark.parametrize(
    ("values", "name", "says"),
    [
        (np.zeros(1375), "embedding", "1375 numbers; allowed: 1376"),
        (np.zeros(1376), "vector", "no feature 'embedding'; it has vector"),
        (np.r_[np.nan, np.inf, np.zeros(1374)], "embedding", "2 numbers are not finite"),
    ],
)
def test_a_vector_that_is_not_one_is_named(tmp_path, values, name, says):
    _write(tmp_path)
    _vector(tmp_path, PATHS[1], values.astype(np.float32), name)
    vectors = mimic_cxr_embeddings.vectors(tmp_path, PATHS)
    assert next(vectors)[0] == 0
    with pytest.raises(SourceError, match=says) as caught:
        next(vectors)
    assert PATHS[1] in str(caught.value)


def test_a_truncated_file_is_named(tmp_path):
    _write(tmp_path)
    path = tmp_path / PATHS[0]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(SourceError, match=r"cut short: 5,5\d\d bytes of 5,5\d\d; a TFRecord"):
        list(mimic_cxr_embeddings.vectors(tmp_path, PATHS))


@pytest.mark.parametrize(
    "path", ["../x.tfrecord", f"/{PATHS[0]}", PATHS[0].replace("p10/", "../p10/", 1), "x"]
)
def test_paths_never_leave_the_root(tmp_path, path):
    _write(tmp_path)
    with pytest.raises(SourceError, match="is no path of an embedding"):
        list(mimic_cxr_embeddings.vectors(tmp_path, [path]))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{SUM} ../{PATHS[0]}", "row 2: a path that leaves the folder"),
        (f"{SUM} /{PATHS[0]}", "row 2: a path that leaves the folder"),
        (f"{SUM} files/../../x", "row 2: a path that leaves the folder"),
        ("0123 x", "row 2: not a checksum and a path"),
        (PATHS[0], "row 2: not a checksum and a path"),
    ],
)
def test_a_bad_line_of_the_list_is_named(tmp_path, line, says):
    _write(tmp_path)
    _list(tmp_path, line)
    with pytest.raises(SourceError, match=f"SHA256SUMS.txt {says}"):
        _read(tmp_path)


def test_a_misplaced_file_is_named(tmp_path):
    _write(tmp_path)
    _vector(tmp_path, PATHS[0].replace("files/p10", "files/p11"), np.zeros(1376, np.float32))
    (tmp_path / PATHS[0]).unlink()
    with pytest.raises(SourceError, match="files/p11/p10000032.* is misplaced"):
        _read(tmp_path)


def test_no_list_and_no_files_are_errors(tmp_path):
    with pytest.raises(SourceError, match=r"looked for SHA256SUMS\.txt"):
        _read(tmp_path)
    _list(tmp_path)
    with pytest.raises(SourceError, match="no image file at all"):
        _read(tmp_path)


def test_many_are_read_at_once_and_the_bad_ones_told_in_the_same_words(tmp_path):
    _write(tmp_path)
    _vector(tmp_path, PATHS[1], np.full(1376, np.nan, np.float32))
    gone = PATHS[0].replace("50000000", "50000009")
    found, why = mimic_cxr_embeddings.reader(tmp_path)([PATHS[2], PATHS[1], gone, PATHS[0]])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.repeat([[2.0], [0], [0], [0]], 1376, axis=1))
    assert why == [
        None,
        "1376 numbers are not finite; all must be",
        "cannot be read (No such file or directory)",
        None,
    ]


@pytest.mark.parametrize("path", ["../x.tfrecord", f"/{PATHS[0]}", f"{PATHS[0]}\n", "x"])
def test_many_paths_never_leave_the_root_either(tmp_path, path):
    with pytest.raises(SourceError, match="is no path of an embedding") as caught:
        mimic_cxr_embeddings.reader(tmp_path)([PATHS[0], path])
    assert "10000032" not in str(caught.value)
