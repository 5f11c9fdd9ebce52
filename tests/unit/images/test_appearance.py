import numpy as np
import pandas as pd
import pytest

from cxrfair.errors import CxrfairError
from cxrfair.images.appearance import SIDE, appearance, small
from cxrfair.images.store import Store


def stored(tmp_path, values):
    np.save(tmp_path / "values.npy", values)
    ids = [f"i{number}" for number in range(len(values))]
    index = pd.DataFrame({"image_id": ids, "row": range(len(ids)), "quarantine": None})
    return Store(tmp_path / "values.npy", index)


def test_a_pixel_is_the_mean_of_the_area_it_covers():
    picture = np.arange(32 * 32, dtype=np.int64).reshape(1, 32, 32) % 251
    found = small(picture.astype(np.uint8)).reshape(SIDE, SIDE)
    assert found[0, 0] == pytest.approx(picture[0, :2, :2].mean())
    assert found[5, 9] == pytest.approx(picture[0, 10:12, 18:20].mean())


def test_sides_that_do_not_divide_lose_no_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (3, 37, 37), dtype=np.uint8)
    found = small(picture).reshape(3, SIDE, SIDE)
    edges = np.linspace(0, 37, SIDE + 1).astype(int)
    covered = np.outer(np.diff(edges), np.diff(edges))
    np.testing.assert_allclose((found * covered).sum((1, 2)), picture.sum((1, 2)), rtol=1e-5)


def test_pictures_smaller_than_the_copy_stay_as_they_are():
    picture = np.random.default_rng(1).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(small(picture), picture.reshape(2, -1))


def test_images_come_in_the_order_they_are_asked_for(tmp_path):
    pictures = np.random.default_rng(2).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    found = appearance(stored(tmp_path, pictures), ["i2", "i0", "i2"])
    np.testing.assert_array_equal(found, small(pictures[[2, 0, 2]]))


def test_vectors_are_what_they_are(tmp_path):
    vectors = np.random.default_rng(3).normal(size=(4, 7)).astype(np.float32)
    np.testing.assert_array_equal(
        appearance(stored(tmp_path, vectors), ["i3", "i1"]), vectors[[3, 1]]
    )


def test_an_image_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CxrfairError, match="1 ids it does not hold"):
        appearance(stored(tmp_path, np.zeros((1, 4), np.float32)), ["i0", "other"])
