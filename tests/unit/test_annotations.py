"""Geometries to masks: by hand, against pycocotools and matplotlib, and back again."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.path import Path as Outline
from pycocotools import mask as coco

from cxrfair import annotations
from cxrfair.annotations import GeometryError

SIDES = st.integers(1, 24)
MASKS = arrays.arrays(bool, st.tuples(SIDES, SIDES))


def _draw(kind, geometry, height=6, width=8, size=None):
    return annotations.mask(kind, json.dumps(geometry), height, width, size)


def _as_text(drawn):
    return ["".join("#" if v else "." for v in row) for row in drawn]


def test_a_box_by_hand():
    wanted = ["........", ".###....", ".###....", "........", "........", "........"]
    assert _as_text(_draw("box", [1, 1, 3, 2])) == wanted
    assert _as_text(_draw("box", [1, 1, 3, 2], size=(3, 4))) == ["##..", "....", "...."]
    assert _draw("box", [-5, -5, 100, 100]).all()
    assert not _draw("box", [20, 1, 3, 2]).any()


def test_a_box_doubles_with_the_mask():
    large = _draw("box", [1, 1, 3, 2], size=(12, 16))
    assert (large == np.kron(_draw("box", [1, 1, 3, 2]), np.ones((2, 2), bool))).all()


def test_a_circle_by_hand():
    wanted = ["........", "..##....", ".####...", ".####...", "..##....", "........"]
    assert _as_text(_draw("circle", [3, 3, 1.9])) == wanted


def test_a_circle_keeps_its_share_at_any_size():
    for size in (50, 100, 400):
        share = _draw("circle", [1024, 900, 500], 2048, 2048, (size, size)).mean()
        assert share == pytest.approx(np.pi * 500**2 / 2048**2, rel=0.01)


def test_a_polygon_by_hand():
    wanted = ["........", ".####...", ".####...", ".####...", "........", "........"]
    assert _as_text(_draw("polygon", [[1, 1], [5, 1], [5, 4], [1, 4]])) == wanted


@given(arrays.arrays(np.float64, (5, 2), elements=st.floats(0, 200)), st.sampled_from([100, 400]))
def test_a_polygon_agrees_with_another_library_but_for_its_outline(points, size):
    drawn = _draw("polygon", points.tolist(), 200, 200, (size, size))
    outline = Outline(np.vstack([points, points[:1]]) * size / 200, closed=True)
    centres = np.stack(np.meshgrid(*[np.arange(size) + 0.5] * 2), -1).reshape(-1, 2)
    inside = outline.contains_points(centres).reshape(size, size)
    length = np.linalg.norm(np.diff(outline.vertices, axis=0), axis=1).sum()
    assume(_is_simple(points))  # a crossed outline means another thing to each library
    assert (drawn != inside).sum() <= length + 4


def _is_simple(points):
    """Tell whether no two sides that are not neighbours cross."""
    ends = np.roll(points, -1, axis=0)
    pairs = [(0, 2), (0, 3), (1, 3), (1, 4), (2, 4)]
    return not any(
        Outline([points[i], ends[i]]).intersects_path(Outline([points[j], ends[j]]))
        for i, j in pairs
    )


@given(MASKS)
def test_run_lengths_round_trip_and_are_cocos(inside):
    coded = annotations.rle(inside)
    height, width = inside.shape
    assert (_draw("rle", coded, height, width) == inside).all()
    whole = {**coded, "counts": coded["counts"].encode()}
    assert coco.area(whole) == inside.sum() == annotations.runs(coded)[1::2].sum()
    changes = np.flatnonzero(np.diff(np.concatenate([[False], inside.ravel(order="F")])))
    assert np.cumsum(annotations.runs(coded))[:-1].tolist() == changes.tolist()


@given(MASKS, st.integers(1, 3))
def test_run_lengths_scale_by_the_nearest_pixel(inside, times):
    height, width = inside.shape
    large = _draw("rle", annotations.rle(inside), height, width, (times * height, times * width))
    assert (large == np.kron(inside, np.ones((times, times), bool))).all()


@given(MASKS, st.text(st.characters(codec="utf-8"), max_size=12), st.integers(0, 12))
def test_no_damaged_run_lengths_are_drawn(inside, noise, place):
    coded = annotations.rle(inside)
    counts = coded["counts"][:place] + noise + coded["counts"][place + len(noise) :]
    height, width = inside.shape
    try:
        drawn = _draw("rle", {**coded, "counts": counts}, height, width)
    except GeometryError:
        return
    assert drawn.shape == inside.shape
    assert annotations.runs({**coded, "counts": counts}).sum() == inside.size


def test_boxes_and_circles_move_along_to_a_copy_of_another_size():
    box = _draw("box", [4, 2, 8, 4, 16, 12])  # drawn in 16 x 12; the copy is 8 x 6
    assert (box == _draw("box", [2, 1, 4, 2])).all()
    assert box.sum() == 8
    circle = _draw("circle", [8, 6, 4, 16, 12])
    assert (circle == _draw("circle", [4, 3, 2])).all()
    assert circle.any()


@pytest.mark.parametrize(
    ("kind", "geometry", "says"),
    [
        ("box", [1, 2, 3, 4, 5], "box: allowed"),
        ("box", [1, 2, 3, 4, 0, 6], "box: allowed"),
        ("box", [1, 2, 3], r"box: allowed: \[x, y, width, height\]"),
        ("box", [1, 2, 0, 3], "all but x and y above zero"),
        ("box", [1, 2, float("nan"), 3], "box: allowed"),
        ("box", [1, 2, True, 3], "box: allowed"),
        ("box", [1, 2, 10**400, 3], "box: allowed"),
        ("circle", [1, 2, -3], r"circle: allowed: \[x, y, radius\]"),
        ("circle", {"x": 1}, "circle: allowed"),
        ("polygon", [[1, 2], [3, 4]], "three or more corners"),
        ("polygon", [[1, 2], [3, 4], [5]], "three or more corners"),
        ("polygon", [[1, 2], [3, 4], [5, 1e8]], r"far outside the image of size \[6, 8\]"),
        ("rle", [1, 2], "rle: allowed"),
        ("rle", {"size": [6, 8], "counts": [1, 2]}, "rle: allowed"),
        ("rle", {"size": [6, 8], "counts": ""}, "not whole"),
        ("rle", {"size": [6, 8], "counts": "o"}, "not whole"),
        ("rle", {"size": [6, 8], "counts": "~~"}, "not whole"),
        ("rle", {"size": [6, 8], "counts": "oooooooooo0"}, "longer than any image"),
        ("rle", {"size": [6, 8], "counts": "11"}, r"add up to 2 pixels; size \[6, 8\] needs 48"),
        ("rle", {"size": [60000, 60000], "counts": "11"}, "1 to 200000000 pixels"),
        ("rle", {"size": [48, 1], "counts": "`1"}, r"size \[48, 1\]; image \[6, 8\]"),
        ("rle", {"size": [0, 8], "counts": "0"}, "1 to 200000000 pixels"),
        ("ellipse", [1, 2, 3, 4], "allowed: box, circle, polygon, rle"),
    ],
)
def test_what_is_not_a_geometry_is_refused(kind, geometry, says):
    with pytest.raises(GeometryError, match=says):
        _draw(kind, geometry)


def test_what_is_not_json_or_no_image_is_refused():
    with pytest.raises(GeometryError, match="not JSON"):
        annotations.mask("box", "[1, 2", 6, 8)
    with pytest.raises(GeometryError, match="sides of 1 or more"):
        annotations.mask("box", "[1, 2, 3, 4]", 0, 8)
    with pytest.raises(GeometryError, match="at most 200000000 pixels"):
        annotations.mask("box", "[1, 2, 3, 4]", 6, 8, (50_000, 50_000))
