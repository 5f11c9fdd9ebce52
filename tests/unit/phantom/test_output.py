import gzip

import numpy as np
import pandas as pd
import pytest
from PIL import Image, UnidentifiedImageError

from cxrfair.phantom import output
from cxrfair.phantom.noise import PhantomError

GREY = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)


def test_a_folder_appears_whole(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    with output.whole_folder(root) as part:
        (part / "a.txt").write_text("a")
        assert not any(root.iterdir())
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "a.txt"]


def _fail_half_way(root):
    with output.whole_folder(root) as part:
        (part / "a.txt").write_text("a")
        raise PhantomError("half way")


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(PhantomError, match="half way"):
        _fail_half_way(tmp_path / "set")
    assert not any(tmp_path.iterdir())


def test_somebody_elses_files_are_never_replaced(tmp_path):
    (tmp_path / "real.csv").write_text("real")
    with pytest.raises(PhantomError, match="holds files, and no PHANTOM.txt"):
        _fail_half_way(tmp_path)
    assert (tmp_path / "real.csv").read_text() == "real"


def test_an_earlier_phantom_is_replaced(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for name in (output.MARKER, "old.txt"):
        (root / name).write_text("old")
    with output.whole_folder(root) as part:
        (part / "new.txt").write_text("new")
    assert [path.name for path in root.iterdir()] == ["new.txt"]


def test_compressed_tables_hold_no_time_stamp(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    with output.Tables(tmp_path) as tables:
        tables.append("t.csv.gz", frame)
        tables.append("t.csv.gz", frame.head(1))
    data = (tmp_path / "t.csv.gz").read_bytes()
    assert data[4:8] == b"\0\0\0\0"
    assert gzip.decompress(data) == b"a,b\n1,x\n2,\n1,x\n"


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_sound_image_reads_back(tmp_path, ending):
    path = tmp_path / f"i.{ending}"
    output.save_image(path, GREY, "")
    with Image.open(path) as image:
        assert image.mode == "L"
        read = np.asarray(image).astype(int)
    assert np.abs(read - GREY).mean() <= (0 if ending == "png" else 2)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("truncated", OSError),
        ("not an image", UnidentifiedImageError),
        ("empty", UnidentifiedImageError),
    ],
)
def test_a_spoilt_image_cannot_be_read(tmp_path, ending, how, error):
    path = tmp_path / f"i.{ending}"
    output.save_image(path, GREY, how)
    with pytest.raises(error), Image.open(path) as image:
        image.load()


def test_files_are_spoilt_at_their_rate_and_in_every_way(make_config):
    rows = pd.DataFrame({"dataset": "x", "image_key": np.arange(5000)})
    how = output.spoilt(make_config(corrupt_share=0.1), rows)
    assert (how != "").mean() == pytest.approx(0.1, abs=0.02)
    assert set(how) == {"", *output.SPOILT}
    assert (output.spoilt(make_config(corrupt_share=0.0), rows) == "").all()
