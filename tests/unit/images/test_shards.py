import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cxrfair import tables
from cxrfair.images import shards
from cxrfair.images.shards import SHARD_INDEX, ShardError, build_shard, merge
from cxrfair.images.store import ImageConfig, Store
from cxrfair.progress import track

ESCAPE = "path leaves the data set's folder"


def config(count=1, size=16):
    return ImageConfig(size=size, shards=count, max_quarantined=0.5)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for n in range(7):
        shade = np.full((24, 32), 10 * n + 5, np.uint8)
        shade[0, 0] = 255  # one shade alone would be a blank picture
        Image.fromarray(shade).save(folder / f"{n}.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def records(paths):
    return pd.DataFrame({"image_id": [f"i{n}" for n in range(len(paths))], "path": paths})


ALL = records([*(f"{n}.png" for n in range(5)), "bad.png", "gone.png", "5.png", "6.png"])


def made(root, folder, count=1, workers=1, rows=ALL):
    folder.mkdir(exist_ok=True)
    parts = []
    for shard in range(count):
        pixels = folder / f"{shard}.npy"
        parts.append((pixels, build_shard(rows, root, config(count), shard, pixels, workers)))
    return parts


def whole(root, folder, count=1, workers=1, rows=ALL):
    parts = made(root, folder, count, workers, rows)
    index = merge(parts, config(count), folder / "pixels.npy")
    return folder / "pixels.npy", index


def test_a_store_holds_every_image_under_its_id(root, tmp_path):
    pixels, index = whole(root, tmp_path / "out", count=3, rows=ALL.sample(frac=1, random_state=0))
    tables.STORE_INDEX.check(index)
    store = Store(pixels, index)
    assert store.read(store.rows(["i8", "i0"]))[:, 8, 8].tolist() == [65, 5]
    assert index["row"].isna().tolist() == [False] * 5 + [True, True, False, False]
    assert index["quarantine"].tolist()[5:7] == ["not an image", "missing"]
    assert set(zip(index["width"].dropna(), index["height"].dropna(), strict=True)) == {(32, 24)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(count=st.integers(1, 12), workers=st.integers(1, 4))
def test_the_bytes_do_not_depend_on_shards_or_workers(root, tmp_path, count, workers):
    expected, index = whole(root, tmp_path / "one")
    again, same = whole(root, tmp_path / "many", count, workers)
    assert again.read_bytes() == expected.read_bytes()
    pd.testing.assert_frame_equal(index, same)


def test_checksums_are_of_the_pixels_and_of_the_file(root, tmp_path):
    ((path, index),) = made(root, tmp_path / "out")
    SHARD_INDEX.check(index)
    pixels = np.load(path)
    expected = hashlib.blake2b(pixels[0].tobytes(), digest_size=16).hexdigest()
    assert index["checksum"][0] == expected
    assert index["checksum"].isna().sum() == 2
    of_file = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    assert set(index["shard_checksum"]) == {of_file}
    assert not pixels[5].any()


def test_an_index_survives_the_disk(root, tmp_path):
    parts = made(root, tmp_path / "out", 4)
    for n, (_, index) in enumerate(parts):
        SHARD_INDEX.write(index, tmp_path / f"{n}.parquet")
    read = [
        (path, SHARD_INDEX.read(tmp_path / f"{n}.parquet")) for n, (path, _) in enumerate(parts)
    ]
    merged = merge(read, config(4), tmp_path / "pixels.npy")
    tables.STORE_INDEX.write(merged, tmp_path / "index.parquet")
    back = tables.STORE_INDEX.read(tmp_path / "index.parquet")
    assert back["row"].dropna().tolist() == [0, 1, 2, 3, 4, 7, 8]


@pytest.mark.parametrize("at", [-1, 200, 3])
def test_a_changed_shard_is_refused(root, tmp_path, at):
    parts = made(root, tmp_path / "out", 2)
    content = bytearray(parts[1][0].read_bytes())
    content[at] ^= 1
    parts[1][0].write_bytes(content)
    with pytest.raises(ShardError, match="1.npy: .*; delete the shard and run again"):
        merge(parts, config(2), tmp_path / "pixels.npy")
    assert not (tmp_path / "pixels.npy").exists()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"])
def test_a_shard_of_another_length_is_refused(root, tmp_path, change):
    parts = made(root, tmp_path / "out", 2)
    parts[0][0].write_bytes(change(parts[0][0].read_bytes()))
    with pytest.raises(ShardError, match="0.npy"):
        merge(parts, config(2), tmp_path / "pixels.npy")


def test_changed_pixels_of_an_unreadable_image_are_found_too(root, tmp_path):
    ((path, index),) = made(root, tmp_path / "out")
    content = bytearray(path.read_bytes())
    content[-1 - 3 * 256] = 7  # inside the black of image 5
    path.write_bytes(content)
    with pytest.raises(ShardError, match="not the file its index was written with"):
        merge([(path, index)], config(), tmp_path / "pixels.npy")


def test_shards_out_of_order_twice_or_missing_are_refused(root, tmp_path):
    one, two, three = made(root, tmp_path / "out", 3)
    for wrong in ([two, one, three], [one, two, two]):
        with pytest.raises(ShardError, match="out of order"):
            merge(wrong, config(3), tmp_path / "pixels.npy")
    with pytest.raises(ShardError, match=r"2 given; params\.yaml has 3"):
        merge([one, two], config(3), tmp_path / "pixels.npy")
    with pytest.raises(ShardError, match="0 to 2"):
        build_shard(ALL, root, config(3), 3, tmp_path / "x.npy", 1)


def test_a_shard_of_another_size_is_refused(root, tmp_path):
    parts = made(root, tmp_path / "out")
    with pytest.raises(ShardError, match="not 9 images of 8 pixels"):
        merge(parts, config(size=8), tmp_path / "pixels.npy")


def test_no_path_leads_out_of_the_root(root, tmp_path):
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "secret.png")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "folder").symlink_to(tmp_path)
    (root / "inner.png").symlink_to(root / "1.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    out = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "folder/secret.png"]
    rows = records([*out, "inner.png", "loop.png", "zero\0.png"])
    ((_, index),) = made(root, tmp_path / "out", rows=rows)
    assert index["quarantine"].tolist()[:4] == [ESCAPE] * 4
    assert pd.isna(index["quarantine"][4])
    assert index["quarantine"].notna().tolist()[5:] == [True, True]


def test_the_root_itself_may_be_a_link(root, tmp_path):
    (tmp_path / "linked").symlink_to(root)
    ((_, index),) = made(tmp_path / "linked", tmp_path / "out")
    assert index["quarantine"].isna().sum() == 7


def test_a_killed_shard_is_not_there_and_the_others_stay(root, tmp_path, monkeypatch):
    made(root, tmp_path / "out", 2)
    kept = (tmp_path / "out" / "1.npy").read_bytes()
    (tmp_path / "out" / "0.npy").unlink()

    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cxrfair.images.shards.decode", broken)
    with pytest.raises(KeyboardInterrupt):
        build_shard(ALL, root, config(2), 0, tmp_path / "out" / "0.npy", 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.npy"]
    assert (tmp_path / "out" / "1.npy").read_bytes() == kept


def test_progress_names_the_shard(root, tmp_path, monkeypatch):
    seen = []

    def spy(items, what, unit, total):
        seen.append((what, unit, total))
        return track(items, what, unit, total)

    monkeypatch.setattr(shards, "track", spy)
    made(root, tmp_path / "out", 2)
    assert seen == [("decode part 1 of 2", "images", 4), ("decode part 2 of 2", "images", 5)]


def test_a_sample_says_how_exact_decoding_is(tmp_path, monkeypatch):
    grain = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    Image.fromarray(grain).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(grain).save(tmp_path / "b.png")
    records = pd.DataFrame({"image_id": ["a", "b"], "path": ["a.jpg", "b.png"]})
    config = ImageConfig(size=32, shards=1, max_quarantined=0)
    monkeypatch.setattr(shards, "SAMPLED", 1)
    index = build_shard(records, tmp_path, config, 0, tmp_path / "0.npy", 1)
    assert 0 < index["decode_error"][0] < 8
    assert np.isnan(index["decode_error"][1])
    monkeypatch.setattr(shards, "SAMPLED", 10**18)
    index = build_shard(records, tmp_path, config, 0, tmp_path / "0.npy", 1)
    assert index["decode_error"].isna().all()
