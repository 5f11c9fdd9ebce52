import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrfair.errors import CxrfairError
from cxrfair.images.store import ImageConfig, QuarantineError, Store, build, refuse_if_too_many

CONFIG = ImageConfig(size=16, max_quarantined=0.5)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, shade in (("a", 10), ("b", 20), ("c", 30)):
        Image.fromarray(np.full((32, 32), shade, np.uint8)).save(folder / f"{name}.png")
    return folder


def records(paths):
    return pd.DataFrame({"image_id": [f"i{n}" for n in range(len(paths))], "path": paths})


def test_pixels_are_found_by_image_id_whatever_the_order(root, tmp_path):
    shuffled = records(["c.png", "a.png", "b.png"]).iloc[[2, 0, 1]]
    index = build(shuffled, root, CONFIG, tmp_path / "p.npy", workers=2)
    store = Store(tmp_path / "p.npy", index)
    images = store.read(store.rows(["i2", "i0"]))
    assert images.shape == (2, 16, 16)
    assert images.dtype == np.uint8
    assert [int(image[0, 0]) for image in images] == [20, 30]
    assert store.size == 16


@pytest.mark.parametrize("workers", [1, 3])
def test_the_file_is_the_same_bytes_however_many_workers(root, tmp_path, workers):
    build(records(["a.png", "b.png", "c.png"]), root, CONFIG, tmp_path / "once.npy", 1)
    build(records(["a.png", "b.png", "c.png"]), root, CONFIG, tmp_path / "again.npy", workers)
    assert (tmp_path / "once.npy").read_bytes() == (tmp_path / "again.npy").read_bytes()


def test_unreadable_images_are_listed_with_a_reason_and_never_served(root, tmp_path):
    (root / "bad.png").write_bytes(b"no image")
    paths = ["a.png", "bad.png", "gone.png", "../raw/b.png", str(root / "c.png")]
    index = build(records(paths), root, CONFIG, tmp_path / "p.npy", 2)
    escape = "path leaves the data set's folder"
    assert index["quarantine"].tolist()[1:] == ["not an image", "missing", escape, escape]
    assert pd.isna(index["quarantine"][0])
    assert index["row"].isna().tolist() == [False, True, True, True, True]
    with pytest.raises(CxrfairError, match="1 ids it does not hold"):
        Store(tmp_path / "p.npy", index).rows(["i1"])


def test_too_many_bad_images_stop_the_run_and_leave_the_list(root, tmp_path):
    index = build(records(["a.png", "x.png", "y.png"]), root, CONFIG, tmp_path / "p.npy", 1)
    listed = tmp_path / "refused.csv"
    with pytest.raises(QuarantineError, match=r"2 of 3 cannot be read \(2 missing\).*0.5"):
        refuse_if_too_many(index, CONFIG, listed)
    assert pd.read_csv(listed)["image_id"].tolist() == ["i1", "i2"]
    refuse_if_too_many(index, ImageConfig(size=16, max_quarantined=0.7), listed)
    assert not listed.exists()


def test_no_half_written_store_is_left(root, tmp_path, monkeypatch):
    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cxrfair.images.store.decode", broken)
    with pytest.raises(KeyboardInterrupt):
        build(records(["a.png"]), root, CONFIG, tmp_path / "out" / "p.npy", 1)
    assert list((tmp_path / "out").iterdir()) == []
