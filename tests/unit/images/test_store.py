import numpy as np
import pandas as pd
import pytest

from cxrfair.config import ConfigError
from cxrfair.errors import CxrfairError
from cxrfair.images import store as module
from cxrfair.images.store import (
    ImageConfig,
    QuarantineError,
    Store,
    StoreError,
    refuse_if_too_many,
    summary,
)

CONFIG = ImageConfig(size=16, shards=1, max_quarantined=0.5)


@pytest.fixture
def store(tmp_path):
    shades = np.array([10, 0, 20], np.uint8)
    np.save(tmp_path / "p.npy", np.broadcast_to(shades[:, None, None], (3, 16, 16)))
    index = pd.DataFrame(
        {"image_id": ["a", "b", "c"], "row": [0, None, 2], "quarantine": [None, "missing", None]}
    )
    return Store(tmp_path / "p.npy", index)


def test_pixels_are_found_by_image_id_whatever_the_order(store):
    images = store.read(store.rows(["c", "a", "c"]))
    assert images.shape == (3, 16, 16)
    assert images.dtype == np.uint8
    assert images[:, 0, 0].tolist() == [20, 10, 20]
    assert store.size == 16


@pytest.mark.parametrize("wanted", [["b"], ["a", "nobody"]])
def test_what_could_not_be_read_or_is_not_there_is_never_served(store, wanted):
    with pytest.raises(CxrfairError, match="1 ids it does not hold; has 2"):
        store.rows(wanted)


def of_values(folder, values):
    np.save(folder / "v.npy", values)
    ids = [f"i{n}" for n in range(len(values))]
    return Store(
        folder / "v.npy",
        pd.DataFrame({"image_id": ids, "row": range(len(ids))}).assign(quarantine=None),
    )


def test_vectors_are_served_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    vectors = of_values(tmp_path, values)
    assert vectors.holds_vectors
    assert vectors.size == 7
    np.testing.assert_array_equal(vectors.read(vectors.rows(["i4", "i0"])), values[[4, 0]])


def test_what_is_neither_pictures_nor_vectors_is_refused(tmp_path, store):
    assert not store.holds_vectors
    for values in (np.zeros((2, 3)), np.zeros((2, 3), np.uint8), np.zeros((2, 3, 3), np.float32)):
        with pytest.raises(
            StoreError, match=r"allowed: \(images, size, size\) of uint8, \(images, d"
        ):
            of_values(tmp_path, values)


def test_moments_are_those_of_each_row_once_whatever_the_blocks(tmp_path, monkeypatch):
    values = np.array([[1, 5], [3, 5], [9, 5], [100, 0]], np.float32)
    vectors = of_values(tmp_path, values)
    for block in (1, 2, 2048):
        monkeypatch.setattr(module, "BLOCK", block)
        mean, sd = vectors.moments(np.array([2, 0, 1, 0, 0]))
        assert mean.tolist() == [13 / 3, 5]
        # ((10/3)^2 + (4/3)^2 + (14/3)^2) / 3 = 312 / 27
        np.testing.assert_allclose(sd, [np.sqrt(312 / 27), 0], rtol=1e-15)


def test_there_are_no_moments_of_pictures_or_of_nothing(store, tmp_path):
    with pytest.raises(StoreError, match="no mean of 2 rows; vectors are needed"):
        store.moments(np.arange(2))
    with pytest.raises(StoreError, match="no mean of 0 rows"):
        of_values(tmp_path, np.zeros((2, 3), np.float32)).moments(np.arange(0))


def test_too_many_bad_images_stop_the_run_and_leave_the_list(tmp_path):
    index = pd.DataFrame(
        {"image_id": ["i0", "i1", "i2"], "quarantine": [None, "missing", "missing"]}
    )
    listed = tmp_path / "refused.csv"
    with pytest.raises(QuarantineError, match=r"2 of 3 cannot be read \(2 missing\).*0.5"):
        refuse_if_too_many(index, CONFIG, listed)
    assert pd.read_csv(listed)["image_id"].tolist() == ["i1", "i2"]
    refuse_if_too_many(index, CONFIG.model_copy(update={"max_quarantined": 0.7}), listed)
    assert not listed.exists()


def test_there_is_at_least_one_shard():
    with pytest.raises(ConfigError, match=r"images\.shards"):
        ImageConfig.parse('{"size": 16, "shards": 0, "max_quarantined": 0.1}', "images")


def test_a_store_is_summed_up_for_the_report():
    index = pd.DataFrame(
        {"quarantine": ["missing", None, None, None], "decode_error": [None, 0.25, None, 0.75]}
    )
    assert summary(index) == {
        "images": 4,
        "quarantined": 1,
        "sampled": 2,
        "decode_error": 0.5,
        "decode_error_worst": 0.75,
    }
    assert summary(index[:1])["decode_error"] is None
