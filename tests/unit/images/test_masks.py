"""Masks of findings, from what sources drew in original pixels."""

import json

import numpy as np
import pandas as pd
import pytest

from cxrfair import annotations, tables
from cxrfair.images.masks import MaskError, draw, squared

EDEMA = {"edema": ("edema",)}


def marks(*rows):
    """Rows (image, label, kind, geometry) of annotations."""
    frame = pd.DataFrame(rows, columns=["image_id", "label", "kind", "geometry"])
    said = frame["geometry"].map(json.dumps)
    frame = frame.assign(i=range(len(frame)), source="x", geometry=said)
    tables.ANNOTATIONS.check(frame)
    return frame


def index(**shape):
    """Images by their height and width."""
    frame = pd.DataFrame({"image_id": list(shape)})
    frame["height"], frame["width"] = (
        pd.array([sides[k] if sides else None for sides in shape.values()], "Int32") for k in (0, 1)
    )
    return frame


def splits(**fold):
    return pd.DataFrame({"image_id": list(fold), "fold": list(fold.values()), "cell": "x"})


def drawn(tmp_path, said, sizes, folds, wanted=EDEMA, size=8):
    """Draw to a file; return what was told and the masks by image and label."""
    path = tmp_path / "masks.npy"
    told = draw(said, sizes, folds, wanted, (size, path))
    tables.MASK_INDEX.check(told.rows)
    held = np.load(path, mmap_mode="r")
    assert held.dtype == np.uint8
    assert held.shape == (len(told.rows), size, size)
    rows = told.rows.itertuples(index=False)
    return told, {(image, label): np.array(held[row]) for image, label, _, row in rows}


def corner(size, rows, columns):
    """A mask with some rows and columns inside."""
    mask = np.zeros((size, size), np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


def test_a_geometry_lies_where_the_store_puts_the_image():
    # An image of 40 x 80 fills rows 2 to 5 of 8; its left half is columns 0 to 3.
    wide = squared("box", "[0, 0, 40, 40]", (40, 80), 8)
    np.testing.assert_array_equal(wide, corner(8, (2, 6), (0, 4)))
    high = squared("box", "[0, 0, 40, 20]", (80, 40), 8)
    np.testing.assert_array_equal(high, corner(8, (0, 2), (2, 6)))


def test_a_mask_is_the_union_of_all_geometries_of_a_label_and_its_parts(tmp_path):
    said = marks(
        ("a", "nodule", "box", [0, 0, 2, 2]),
        ("a", "mass", "box", [2, 2, 2, 2]),
        ("a", "nodule", "circle", [7, 7, 1]),
        ("a", "edema", "box", [0, 0, 8, 8]),
    )
    wanted = {"lump": ("nodule", "mass"), "nodule": ("nodule",)}
    told, found = drawn(tmp_path, said, index(a=(8, 8)), splits(a="train"), wanted)
    whole = corner(8, (0, 2), (0, 2)) | corner(8, (2, 4), (2, 4)) | corner(8, (6, 8), (6, 8))
    np.testing.assert_array_equal(found["a", "lump"], whole)
    np.testing.assert_array_equal(found["a", "nodule"], whole - corner(8, (2, 4), (2, 4)))
    assert told.rows["label"].tolist() == ["lump", "nodule"]
    assert told.geometries == 5  # the two nodules count for two labels
    assert told.lost == 0


def test_all_folds_are_drawn_in_order_and_nobody_else(tmp_path):
    box = ("edema", "box", [0, 0, 4, 4])
    said = marks(("c", *box), ("a", *box), ("z", *box), ("b", *box), ("b", "mass", *box[1:]))
    sizes = index(a=(8, 8), b=(8, 8), c=(8, 8), d=(8, 8))
    folds = splits(d="train", c="test", b="validation", a="train")
    told, found = drawn(tmp_path, said, sizes, folds)
    assert list(told.rows.itertuples(index=False, name=None)) == [
        ("a", "edema", "train", 0),
        ("b", "edema", "validation", 1),
        ("c", "edema", "test", 2),
    ]
    for mask in found.values():
        np.testing.assert_array_equal(mask, corner(8, (0, 4), (0, 4)))


def test_what_is_smaller_than_a_pixel_is_the_pixel_it_is_in(tmp_path):
    # 10 original pixels a pixel, whose centres are at 5, 15 and so on; the box ends before one.
    small = ("a", "edema", "box", [31, 66, 3, 3])
    _, found = drawn(tmp_path, marks(small), index(a=(80, 80)), splits(a="train"))
    np.testing.assert_array_equal(found["a", "edema"], corner(8, (6, 7), (3, 4)))
    _, found = drawn(tmp_path, marks(small), index(a=(80, 160)), splits(a="train"), size=16)
    np.testing.assert_array_equal(found["a", "edema"], corner(16, (10, 11), (3, 4)))
    two = marks(small, ("a", "edema", "box", [0, 0, 10, 10]))  # beside a larger one as well
    _, found = drawn(tmp_path, two, index(a=(80, 80)), splits(a="train"))
    assert found["a", "edema"].sum() == 2


@pytest.mark.parametrize("seed", range(5))
def test_a_small_region_of_any_shape_is_never_lost(tmp_path, seed):
    draw_at = np.random.default_rng(seed)
    height, width = (int(side) for side in draw_at.integers(90, 200, 2))
    inside = np.zeros((height, width), bool)
    row, column = int(draw_at.integers(height)), int(draw_at.integers(width))
    inside[row, column] = True
    said = marks(("a", "edema", "rle", annotations.rle(inside)))
    told, found = drawn(tmp_path, said, index(a=(height, width)), splits(a="train"), size=16)
    ((down, across),) = np.argwhere(found["a", "edema"])
    assert told.lost == 0
    longer = max(height, width)  # which fills the square; the other side is centred
    place = (np.array([row, column]) + 0.5 - np.array([height, width]) / 2) * 16 / longer + 8
    assert abs(down + 0.5 - place[0]) < 1.5
    assert abs(across + 0.5 - place[1]) < 1.5


def test_what_lies_outside_its_image_is_left_out_and_counted(tmp_path):
    said = marks(
        ("a", "edema", "box", [100, 0, 4, 4]),
        ("b", "edema", "box", [100, 0, 4, 4]),
        *[("b", "edema", "box", [0, 0, 4, 4])] * 3,
        ("c", "edema", "box", [3.6, 3.6, 0.3, 0.3]),  # between the centres of original pixels
    )
    sizes = index(a=(8, 8), b=(8, 8), c=(8, 8))
    told, found = drawn(tmp_path, said, sizes, splits(a="train", b="train", c="train"))
    assert list(found) == [("b", "edema")]
    assert told.rows["row"].tolist() == [0]
    np.testing.assert_array_equal(found["b", "edema"], corner(8, (0, 4), (0, 4)))
    assert (told.geometries, told.lost) == (6, 3)


def test_outlines_of_pictures_of_another_size_are_refused(tmp_path):
    said = marks(
        *[("a", "edema", "box", [100, 0, 4, 4])] * 2,
        ("a", "edema", "box", [0, 0, 4, 4]),
    )
    with pytest.raises(MaskError, match="2 of 3 geometries hold no pixel of their image"):
        drawn(tmp_path, said, index(a=(8, 8)), splits(a="train"))


def test_of_nothing_there_is_an_array_without_masks(tmp_path):
    nothing = tables.ANNOTATIONS.empty()
    told, _ = drawn(tmp_path, nothing, index(a=(8, 8)), splits(a="train"))
    assert (len(told.rows), told.geometries, told.lost) == (0, 0, 0)
    tables.MASK_INDEX.write(told.rows, tmp_path / "rows")


def test_the_order_of_the_marks_does_not_change_a_byte(tmp_path):
    rows = [(f"i{n % 12:02}", "edema", "box", [n, n % 7, 3 + n % 5, 9]) for n in range(40)]
    sizes = index(**{f"i{n:02}": (60, 40 + n) for n in range(12)})
    folds = splits(**{f"i{n:02}": ("train", "test")[n % 2] for n in range(12)})
    whole = []
    for said in (rows, rows[::-1]):
        told, _ = drawn(tmp_path, marks(*said), sizes.iloc[::-1], folds)
        whole.append((told, (tmp_path / "masks.npy").read_bytes()))
        folds = folds.iloc[::-1]
    (one, of_one), (other, of_other) = whole
    pd.testing.assert_frame_equal(one.rows, other.rows)
    assert of_one == of_other
    assert [path.name for path in tmp_path.iterdir()] == ["masks.npy"]


def test_the_file_is_as_numpy_writes_it(tmp_path):
    said = marks(*((f"i{n}", "edema", "box", [0, 0, 4, 4]) for n in range(11)))
    sizes = index(**{f"i{n}": (8, 8) for n in range(11)})
    _, found = drawn(tmp_path, said, sizes, splits(**{f"i{n}": "train" for n in range(11)}))
    np.save(tmp_path / "other.npy", np.stack(list(found.values())))
    assert (tmp_path / "masks.npy").read_bytes() == (tmp_path / "other.npy").read_bytes()


@pytest.mark.parametrize("sizes", [index(b=(8, 8)), index(a=None)])
def test_a_mark_in_an_image_of_unknown_size_is_refused_and_leaves_no_file(tmp_path, sizes):
    said = marks(("a", "edema", "box", [0, 0, 1, 1]), ("a", "edema", "box", [2, 0, 1, 1]))
    with pytest.raises(MaskError, match="annotations: 1 images of unknown size have marks; all"):
        draw(said, sizes, splits(a="train"), EDEMA, (8, tmp_path / "m.npy"))
    assert not list(tmp_path.iterdir())


def test_a_geometry_that_is_none_is_refused_and_leaves_no_file(tmp_path):
    said = marks(("a", "edema", "box", [0, 0, 4, 4]), ("b", "edema", "box", [0, 0]))
    with pytest.raises(annotations.GeometryError, match="box: allowed"):
        draw(said, index(a=(8, 8), b=(8, 8)), splits(a="train", b="train"), EDEMA,
             (8, tmp_path / "m.npy"))  # fmt: skip
    assert not list(tmp_path.iterdir())
