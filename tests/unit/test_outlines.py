import json

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import outlines, tables
from cxrfair.outlines import OutlineError
from cxrfair.phantom import PhantomConfig, scene, write
from cxrfair.scales import at_scale

SIZE = 24


@pytest.fixture(scope="module")
def truth(tmp_path_factory, repo):
    """The truth of a small phantom."""
    demo = at_scale(yaml.safe_load((repo / "params.yaml").read_text())["phantom"], "demo")
    settings = json.dumps({**demo, "patients": 25, "image_size": 32})
    folder = tmp_path_factory.mktemp("phantom")
    config = PhantomConfig.parse(settings, "phantom")
    write("nih_chestxray14", config, folder / "nih", folder / "truth.parquet")
    return folder / "truth.parquet"


def test_a_phantoms_masks_are_those_its_pictures_were_made_with(truth, monkeypatch):
    rows = pd.read_parquet(truth)
    ids = rows["image_id"].tolist()[::-1]  # not in the order of the file
    some = ids[::2]
    monkeypatch.setattr(scene, "BATCH_PIXELS", 5 * SIZE * SIZE)  # in several pieces
    found = outlines.from_truth(some, truth, SIZE)
    whole = scene.draw(rows, SIZE)
    place = {image: row for row, image in enumerate(ids[::-1])}
    assert set(found) <= set(whole.masks)
    for name, (row, mask) in whole.masks.items():
        wanted = {rows["image_id"][r]: m > 0.5 for r, m in zip(row, mask, strict=True)}
        wanted = {i: m for i, m in wanted.items() if i in some and m.any()}
        mine = found.get(name, (np.empty(0, int), np.empty((0, SIZE, SIZE))))
        assert [some[r] for r in mine[0]] == sorted(wanted, key=lambda i: -place[i])
        for image, inside in zip([some[r] for r in mine[0]], mine[1], strict=True):
            np.testing.assert_array_equal(inside, wanted[image])
    assert found


def test_an_image_of_which_nothing_is_true_is_refused(truth):
    with pytest.raises(OutlineError, match="1 of 1 images are not in it; allowed: 0"):
        outlines.from_truth(["none"], truth, SIZE)


def marks(*rows):
    """Rows (image, label, kind, geometry) of annotations."""
    frame = pd.DataFrame(rows, columns=["image_id", "label", "kind", "geometry"])
    frame = frame.assign(
        i=range(len(frame)), source="x", geometry=frame["geometry"].map(json.dumps)
    )
    tables.ANNOTATIONS.check(frame)
    return frame


def index(**shape):
    """Images by their height and width."""
    frame = pd.DataFrame({"image_id": list(shape)})
    frame["height"], frame["width"] = (
        pd.array([sides[k] if sides else None for sides in shape.values()], "Int32") for k in (0, 1)
    )
    return frame


def test_marks_lie_where_the_store_puts_the_image():
    wide = marks(("a", "edema", "box", [0, 0, 40, 20]))  # the left half of an image of 80 x 40
    ((rows, found),) = outlines.from_annotations(["b", "a"], wide, index(a=(40, 80)), 8).values()
    wanted = np.zeros((8, 8), bool)
    wanted[2:4, 0:4] = True  # 8 x 4 pixels, with two rows of black above and below
    assert rows.tolist() == [1]
    np.testing.assert_array_equal(found[0], wanted)
    high = marks(("a", "edema", "box", [0, 0, 40, 20]))
    ((_, found),) = outlines.from_annotations(["a"], high, index(a=(80, 40)), 8).values()
    wanted = np.zeros((8, 8), bool)
    wanted[0:2, 2:6] = True
    np.testing.assert_array_equal(found[0], wanted)


def test_marks_of_one_finding_are_one_mask_and_other_images_take_no_part():
    said = marks(
        ("a", "nodule", "box", [0, 0, 2, 2]),
        ("a", "nodule", "box", [2, 2, 2, 2]),
        ("a", "edema", "box", [0, 0, 4, 4]),
        ("b", "edema", "box", [0, 0, 1, 1]),
        ("c", "edema", "box", [0, 0, 4, 4]),
    )
    sizes = index(a=(4, 4), b=(4, 4), c=(4, 4))
    found = outlines.from_annotations(["c", "a"], said, sizes, 4)
    assert {name: rows.tolist() for name, (rows, _) in found.items()} == {
        "edema": [0, 1],
        "nodule": [1],
    }
    np.testing.assert_array_equal(found["nodule"][1][0], np.eye(2).repeat(2, 0).repeat(2, 1) > 0)
    assert outlines.from_annotations(["z"], said, sizes, 4) == {}
    assert outlines.from_annotations(["a"], tables.ANNOTATIONS.empty(), sizes, 4) == {}


@pytest.mark.parametrize("sizes", [index(b=(4, 4)), index(a=None)])
def test_a_mark_in_an_image_of_unknown_size_is_refused(sizes):
    with pytest.raises(OutlineError, match="annotations: 1 of images of unknown size; allowed: 0"):
        outlines.from_annotations(["a"], marks(("a", "edema", "box", [0, 0, 1, 1])), sizes, 4)
