"""The stage that draws masks, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.stages.masks import masks

CONFIG = {
    "uncertain": {"default": "ignore"},
    "unmentioned": {"default": "zero"},
    "union": {"lump": ["nodule", "mass"]},
}


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder: three images of 32 x 32, one not for anybody."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    splits = frames["splits"]
    tables.SPLITS.write(splits[splits["image_id"] != "i40"], Path("splits"))
    index = frames["index"]
    unread = index["image_id"] == "i40"  # an image that cannot be read has no size
    index.loc[unread, ["row", "width", "height"]] = None
    tables.STORE_INDEX.write(index, Path("index"))
    rows = [
        ("i00", "nodule", [0, 0, 16, 16]),
        ("i00", "mass", [16, 16, 16, 16]),
        ("i04", "edema", [0, 0, 8, 8]),
        ("i40", "edema", [0, 0, 8, 8]),
        ("i06", "edema", [90, 0, 8, 8]),
        ("i06", "other", [0, 0, 8, 8]),
        ("i04", "nodule", [[0, 0], [32, 0], [32, 32], [0, 32]]),
    ]
    said = pd.DataFrame(rows, columns=["image_id", "label", "geometry"])
    said["geometry"] = said["geometry"].map(json.dumps)
    kind = ["box"] * (len(rows) - 1) + ["polygon"]
    said = said.assign(i=0, kind=kind, source="x")
    tables.ANNOTATIONS.write(said, Path("annotations"))
    return {
        **{"--splits": "splits", "--annotations": "annotations", "--index": "index"},
        **{"--labels": '["lump", "edema"]', "--config": json.dumps(CONFIG), "--size": "16"},
        **{"--masks": "masks.npy", "--places": "places"},
    }


def run(flags):
    call(masks, [word for pair in flags.items() for word in pair])
    return np.load("masks.npy"), tables.MASK_INDEX.read(Path("places"))


def test_masks_of_the_labels_with_the_parts_of_unions(flags, capfd):
    held, places = run(flags)
    assert list(places.itertuples(index=False, name=None)) == [
        ("i00", "lump", "train", 0),
        ("i04", "edema", "validation", 1),
        ("i04", "lump", "validation", 2),
    ]
    assert held.shape == (3, 16, 16)
    assert held[2].all()
    np.testing.assert_array_equal(held[0], np.eye(2).repeat(8, 0).repeat(8, 1))
    assert held[1].sum() == 16
    said = capfd.readouterr().err
    assert "masks: 3 of 5 geometries; 1 geometries hold no pixel of their image" in said


def test_twice_the_same_is_the_same_bytes(flags):
    files = [Path("masks.npy"), Path("places")]
    run(flags)
    before = [file.read_bytes() for file in files]
    run(flags)
    assert [file.read_bytes() for file in files] == before


def test_what_is_wrong_is_one_message_and_leaves_no_file(flags):
    index = tables.STORE_INDEX.read(Path("index"))
    tables.STORE_INDEX.write(index[index["image_id"] != "i00"], Path("index"))
    with pytest.raises(SystemExit, match="^error: annotations: 1 images of unknown size"):
        run(flags)
    assert not Path("masks.npy").exists()
    assert not Path("places").exists()
