"""CheXlocalize's four files, right and wrong."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrfair import annotations, tables
from cxrfair.datasets import SourceError, chexlocalize

FIRST, SECOND = "patient64541_study1_view1_frontal", "patient64542_study1_view2_lateral"
SQUARE = [[10.5, 20.0], [30.0, 20.0], [30.0, 45.25], [10.5, 45.25]]


def _mask(filled=True):
    inside = np.zeros((50, 60), bool)
    inside[20:45, 10:30] = filled
    return inside


MASKS = {
    FIRST: {
        "Airspace Opacity": annotations.rle(_mask()),
        "Edema": annotations.rle(_mask(False)),
        "Cardiomegaly": annotations.rle(_mask(False)),
    },
    SECOND: {"Support Devices": annotations.rle(~_mask())},
}
OUTLINES = {
    FIRST: {"img_size": [50, 60], "Airspace Opacity": [SQUARE, SQUARE[:2], SQUARE[:3]]},
    SECOND: {"img_size": [50, 60]},
}


def _write(root, **files):
    for name, content in files.items():
        (root / f"gt_{name}.json").write_text(json.dumps(content))


def _read(root):
    marks = chexlocalize.read(root)
    tables.ANNOTATIONS.check(marks.annotations)
    return marks


def test_masks_and_outlines(tmp_path):
    _write(tmp_path, segmentations_val=MASKS, annotations_val=OUTLINES)
    marks = _read(tmp_path)
    rows = marks.annotations
    assert rows[["image_id", "label", "i", "kind", "source"]].to_numpy().tolist() == [
        [FIRST, "lung_opacity", 0, "rle", "gt_segmentations_val.json"],
        [SECOND, "support_devices", 0, "rle", "gt_segmentations_val.json"],
        [FIRST, "lung_opacity", 1, "polygon", "gt_annotations_val.json"],
        [FIRST, "lung_opacity", 2, "polygon", "gt_annotations_val.json"],
    ]
    assert marks.notes == {chexlocalize.EMPTY: 2, chexlocalize.SLIGHT: 1}
    drawn = annotations.mask("rle", rows["geometry"][0], 50, 60)
    assert (drawn == _mask()).all()
    assert json.loads(rows["geometry"][2]) == SQUARE


def test_one_file_or_a_folder_is_enough(tmp_path):
    _write(tmp_path, segmentations_test={SECOND: MASKS[SECOND]})
    assert len(_read(tmp_path).annotations) == 1
    folder = tmp_path / "above" / "CheXlocalize"
    folder.mkdir(parents=True)
    _write(folder, annotations_test={FIRST: {"img_size": [9, 9]}})
    marks = _read(folder.parent)
    assert (len(marks.annotations), marks.notes) == (0, {})


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"no annotation at all; looked for gt_segmentations_val"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([MASKS], "allowed: an object of images"),
        ({FIRST: [1]}, "allowed: an object of images"),
        ({"../patient00001": {}}, "allowed: patient00001_study1_view1_frontal (1 images)"),
        ({FIRST: {"Oedema": {}}}, "label 'Oedema'; allowed: Enlarged Cardiomediastinum, "),
        ({FIRST: {"Edema": []}}, f"image {FIRST!r}, label 'Edema': rle: allowed"),
        ({FIRST: {"Edema": {"size": [5, 5], "counts": "1"}}}, "runs add up to 1 pixels"),
    ],
)
def test_bad_masks_are_named(tmp_path, content, says):
    _write(tmp_path, segmentations_test=content)
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert str(tmp_path / "gt_segmentations_test.json") in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ({"Edema": [SQUARE]}, "img_size; allowed"),
        ({"img_size": [50, 60], "Edema": SQUARE}, "polygon: allowed: three or more corners"),
        ({"img_size": [50, 60], "Edema": "none"}, "allowed: a list of outlines"),
        ({"img_size": [5, 6], "Edema": [SQUARE]}, "far outside the image of size [5, 6]"),
    ],
)
def test_bad_outlines_are_named(tmp_path, marks, says):
    _write(tmp_path, annotations_val={FIRST: marks})
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert f"gt_annotations_val.json image {FIRST!r}, label 'Edema': " in str(caught.value)
    assert says in str(caught.value)


def test_an_image_listed_twice_is_refused(tmp_path):
    one = f'"{FIRST}": {{}}'
    (tmp_path / "gt_segmentations_val.json").write_text(f"{{{one}, {one}}}")
    with pytest.raises(SourceError, match="a name is there twice"):
        _read(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_read_or_refused_in_our_words(tmp_path, place, byte, cut):
    data = bytearray(json.dumps(MASKS).encode())
    data[place % len(data)] = byte
    (tmp_path / "gt_segmentations_val.json").write_bytes(data[: place if cut else None])
    with contextlib.suppress(SourceError):
        _read(tmp_path)
