"""What a training list asks to be shown, and what may be wrong with it."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.training.guidance import GuidanceError, Masks, guidance

LABELS = ("edema", "nodule")
STORE = SimpleNamespace(size=8, holds_vectors=False)
INDEX = pd.DataFrame(
    [
        ("a", "edema", "train", 3),
        ("a", "nodule", "train", 0),
        ("b", "nodule", "train", 2),
        ("c", "nodule", "test", 1),
    ],
    columns=["image_id", "label", "fold", "row"],
)
VALUES = np.arange(4, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
MASKS = Masks(VALUES, INDEX)


def listed(*rows):
    """Entries (image, labels that are guided) of a training list."""
    said = [json.dumps(labels) if labels else None for _, labels in rows]
    return pd.DataFrame({"image_id": [image for image, _ in rows], "guided": said})


def test_pairs_are_found_whatever_the_order_of_labels_and_entries():
    rows = listed(("b", ["nodule"]), ("z", []), ("a", ["nodule", "edema"]), ("b", []))
    found = guidance(rows, LABELS, MASKS, STORE, reads=True)
    np.testing.assert_array_equal(found.row, [[-1, 2], [-1, -1], [3, 0], [-1, -1]])
    other = guidance(rows, LABELS[::-1], MASKS, STORE, reads=True)
    np.testing.assert_array_equal(other.row, found.row[:, ::-1])


def test_masks_are_read_row_by_row_of_what_is_asked_for():
    rows = listed(("b", ["nodule"]), ("z", []), ("a", ["nodule", "edema"]))
    found = guidance(rows, LABELS, MASKS, STORE, reads=True)
    guided, masks = found.read(np.array([2, 1, 0, 2]))
    np.testing.assert_array_equal(guided, [[1, 1], [0, 0], [0, 1], [1, 1]])
    assert masks[:, 0, 0].tolist() == [3, 0, 2, 3, 0]
    guided, masks = found.read(np.array([1]))
    assert not guided.any()
    assert masks.shape == (0, 8, 8)


@pytest.mark.parametrize("rows", [listed(("a", []), ("b", [])), pd.DataFrame({"image_id": ["a"]})])
def test_of_a_list_that_guides_nothing_nothing_is_shown(rows):
    assert guidance(rows, LABELS, MASKS, STORE, reads=True) is None
    assert guidance(rows, LABELS, None, STORE, reads=True) is None


def test_a_method_that_reads_no_masks_learns_from_a_guided_list_as_from_any():
    assert guidance(listed(("a", ["edema"])), LABELS, None, STORE, reads=False) is None


@pytest.mark.parametrize(
    ("rows", "given", "store", "says"),
    [
        ([("a", ["edema"])], None, {}, "1 pairs of image and label are guided, but no masks are"),
        ([("a", ["edema"]), ("b", ["edema"])], MASKS, {}, "1 of 2 guided pairs have no mask; all"),
        ([("c", ["nodule"])], MASKS, {}, "1 of 1 guided pairs have masks of images that are not"),
        ([("a", ["mass"])], MASKS, {}, r"guided labels \['mass'\]; allowed: edema, nodule"),
        ([("a", ["edema"])], MASKS, {"size": 16}, "masks of 8 pixels a side; allowed: 16"),
        ([("a", [])], MASKS, {"size": 16}, "masks of 8 pixels a side; allowed: 16"),
        ([("a", ["edema"])], MASKS, {"holds_vectors": True}, "the inputs are vectors; allowed: pi"),
        ([("a", ["edema"])], None, {"holds_vectors": True}, "but no masks are given"),
    ],
)
def test_what_cannot_be_shown_is_refused(rows, given, store, says):
    about = SimpleNamespace(**vars(STORE) | store)
    with pytest.raises(GuidanceError, match=says):
        guidance(listed(*rows), LABELS, given, about, reads=True)


@pytest.mark.parametrize("said", ["edema", '"edema"', "{}", "[1]"])
def test_what_is_no_list_of_labels_is_refused(said):
    rows = pd.DataFrame({"image_id": ["a"], "guided": [said]})
    with pytest.raises(GuidanceError, match="allowed: a JSON list of labels"):
        guidance(rows, LABELS, MASKS, STORE, reads=True)


@pytest.mark.parametrize("rows", [listed(("a", [])), listed(("a", ["edema"]))])
def test_masks_for_a_method_that_reads_none_are_refused(rows):
    with pytest.raises(GuidanceError, match="masks are given to a method that reads none"):
        guidance(rows, LABELS, MASKS, STORE, reads=False)


def test_masks_are_opened_where_they_lie(tmp_path):
    np.save(tmp_path / "m.npy", VALUES)
    tables.MASK_INDEX.write(INDEX, tmp_path / "index")
    found = Masks.load(tmp_path / "m.npy", tmp_path / "index")
    assert isinstance(found.values, np.memmap)
    pd.testing.assert_frame_equal(found.index, INDEX, check_dtype=False)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (VALUES.astype(np.float32), r"\(4, 8, 8\) of float32; allowed: \(masks, size, size\) of u"),
        (VALUES[:, :4], r"\(4, 4, 8\) of uint8; allowed"),
        (VALUES[:, :, 0], r"\(4, 8\) of uint8; allowed"),
        (VALUES[:3], "1 of 4 rows lie outside .*m.npy, which has 3"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, values, says):
    np.save(tmp_path / "m.npy", values)
    tables.MASK_INDEX.write(INDEX, tmp_path / "index")
    with pytest.raises(GuidanceError, match=says):
        Masks.load(tmp_path / "m.npy", tmp_path / "index")
