import tracemalloc

import numpy as np
import pandas as pd
import pytest

from cxrfair import embeddings
from cxrfair.embeddings import EmbeddingError, Embeddings

IDS = ["b", "a", "c"]
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2) / 3


def index(ids=IDS, rows=(0, 1, 2)):
    return pd.DataFrame({"image_id": ids, "fold": "test", "row": rows})


@pytest.fixture
def stored(tmp_path):
    embeddings.write(tmp_path / "f.npy", iter([VALUES[:2], VALUES[2:]]), (3, 2))
    return tmp_path / "f.npy"


def test_blocks_become_one_array_that_numpy_reads(stored):
    np.testing.assert_array_equal(np.load(stored), VALUES)


def test_features_are_read_by_id_in_any_order_exactly(stored):
    kept = Embeddings(stored, index(rows=[2, 0, 1]))
    assert kept.width == 2
    np.testing.assert_array_equal(kept.read(["c", "b", "c"]), VALUES[[1, 2, 1]])
    assert kept.read([]).shape == (0, 2)
    assert kept.read(["a"]).dtype == np.float32


def test_reading_leaves_the_file_as_it_is(stored):
    before = stored.read_bytes()
    Embeddings(stored, index()).read(["a"])[:] = 7
    assert stored.read_bytes() == before


def test_an_id_without_features_is_counted_and_not_named(stored):
    with pytest.raises(EmbeddingError, match="2 ids that have none; there are 3") as said:
        Embeddings(stored, index()).read(["a", "patient-9", "patient-10"])
    assert "patient" not in str(said.value)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([VALUES[:2]], "features of 2 images; 3 were announced"),
        ([VALUES, VALUES[:1]], "features of 4 images; 3 were announced"),
        ([VALUES[:, :1]], r"features \(1,\); allowed: \(2,\)"),
        ([np.where(VALUES > 1, np.nan, VALUES)], "features of 1 images are not finite"),
        ([np.where(VALUES == 0, np.inf, VALUES)], "features of 1 images are not finite"),
    ],
    ids=["short", "long", "narrow", "nan", "inf"],
)
def test_what_is_not_the_announced_array_leaves_no_file(tmp_path, blocks, said):
    with pytest.raises(EmbeddingError, match=said):
        embeddings.write(tmp_path / "f.npy", blocks, (3, 2))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_what_was_there(stored):
    before = stored.read_bytes()

    def cut():
        yield VALUES[:1]
        raise KeyError

    with pytest.raises(KeyError):
        embeddings.write(stored, cut(), (3, 2))
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


@pytest.mark.parametrize("rows", [[0, 1, 1], [0, 1, 3], [-1, 0, 1]])
def test_an_index_of_other_rows_is_refused(stored, rows):
    with pytest.raises(EmbeddingError, match="3 rows"):
        Embeddings(stored, index(rows=rows))


def test_an_index_of_fewer_rows_is_refused(stored):
    with pytest.raises(EmbeddingError, match="3 rows, others than those of its index"):
        Embeddings(stored, index().iloc[:2])


def test_a_cut_or_foreign_file_is_refused(stored, tmp_path):
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(EmbeddingError, match="no stored features"):
        Embeddings(stored, index())
    np.save(tmp_path / "half.npy", VALUES.astype(np.float16))
    with pytest.raises(EmbeddingError, match="float16; allowed"):
        Embeddings(tmp_path / "half.npy", index())
    with pytest.raises(EmbeddingError, match="no stored features"):
        Embeddings(tmp_path / "none.npy", index())


def test_writing_takes_no_more_memory_for_more_images(tmp_path):
    blocks = (np.ones((256, 1024), np.float32) for _ in range(64))  # 1 MiB each
    tracemalloc.start()
    try:
        embeddings.write(tmp_path / "f.npy", blocks, (64 * 256, 1024))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * 2**20
