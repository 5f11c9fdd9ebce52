import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.localisation import Images
from cxrfair.overlap import Saliency
from cxrfair.pictured import choose
from cxrfair.pictured_saliency import NONE, Panels, Pictures, panels, pick
from cxrfair.studies import Study

IDS = [f"i{row}" for row in range(9)]
STUDY = Study.model_validate(
    {
        **{"datasets": ("nih",), "labels": ("edema", "mass"), "attributes": ("sex",)},
        **{"reference": "erm", "variants": {name: {"method": name} for name in ("erm", "faap")}},
        **{"effects": {"sex": ("male", "female")}, "seeds": (3, 4)},
    }
)
RNG = np.random.default_rng(0)
MASKS = {
    "edema": (np.array([1, 3, 4, 6, 8]), RNG.random((5, 4, 4)) < 0.5),
    "nodule": (np.arange(9), RNG.random((9, 4, 4)) < 0.5),
}


def test_images_with_a_finding_of_the_study_are_chosen_by_their_ids():
    rows, masks = pick(IDS, MASKS, ("edema",))
    only = Images(IDS, IDS, {"edema": MASKS["edema"]})
    assert rows == choose(only)
    at = np.searchsorted(MASKS["edema"][0], rows)
    np.testing.assert_array_equal(masks, MASKS["edema"][1][at])
    any_rows, _ = pick(IDS, MASKS, ("late_stage",))
    assert any_rows == choose(Images(IDS, IDS, MASKS))
    none, empty = pick(IDS, {}, ("edema",))
    assert (none, len(empty)) == ([], 0)


@pytest.fixture
def kept():
    """Pictures of i1 and i2, and maps of all images by both variants: 2 x 3 cells."""
    values = RNG.random((2, 9, 2, 2, 3)).astype(np.float32)  # variant, image, of, rows, columns
    values[1, 2, 1] = 0
    rows = [
        (variant, 3, of, name, image, 6 * ((v * 9 + i) * 2 + k), 2, 3)
        for v, variant in enumerate(("erm", "faap"))
        for i, image in enumerate(IDS)
        for k, (of, name) in enumerate((("label", "edema"), ("attribute", "sex")))
    ]
    index = pd.DataFrame(rows, columns=list(tables.SALIENCY_INDEX.columns))
    seen = {v: RNG.integers(0, 255, (2, 6, 6)).astype(np.uint8) for v in ("erm", "faap")}
    masks = RNG.random((2, 6, 6)) < 0.5
    pictures = Pictures(("i1", "i2"), masks, seen["erm"], seen)
    return values, Saliency(values.ravel(), index), pictures


def test_maps_stand_beside_the_pictures_they_are_of(kept):
    values, saliency, pictures = kept
    found = panels(STUDY, saliency, pictures)
    assert found.names == ("edema", "sex")
    assert list(found.seen) == list(found.maps) == ["erm", "faap"]
    for v, name in enumerate(found.seen):
        np.testing.assert_array_equal(found.seen[name], pictures.seen[name])
        assert found.maps[name].shape == (2, 2, 6, 6)
        middle = found.maps[name][:, :, 1::3, 0].astype(float)  # rows of pixels around the middles
        assert middle.shape == (2, 2, 2)
        largest = found.maps[name].max(axis=(2, 3))
        wanted = np.where(values[v, 1:3].max(axis=(2, 3)).T > 0, 255, 0)
        np.testing.assert_array_equal(largest, wanted)
    assert not found.maps["faap"][1, 1].any()  # blank stays blank


def test_what_is_kept_is_what_was_there(kept, tmp_path):
    _, saliency, pictures = kept
    pictures.write(tmp_path / "p")
    again = Pictures.read(tmp_path / "p")
    assert again.image_ids == pictures.image_ids
    np.testing.assert_array_equal(again.masks, pictures.masks)
    assert again.masks.dtype == bool
    assert list(again.seen) == ["erm", "faap"]
    found = panels(STUDY, saliency, again)
    found.write(tmp_path / "a")
    read = Panels.read(tmp_path / "a")
    read.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read.names == found.names
    np.testing.assert_array_equal(read.stored, pictures.stored)
    assert (read.changes("erm"), read.changes("faap"), read.changes("other")) == (
        False,
        True,
        False,
    )
    for name in found.seen:
        np.testing.assert_array_equal(read.seen[name], found.seen[name])
        np.testing.assert_array_equal(read.maps[name], found.maps[name])


def test_of_patients_nothing_is_kept(kept, tmp_path):
    _, saliency, _ = kept
    NONE.write(tmp_path / "p")
    panels(STUDY, saliency, Pictures.read(tmp_path / "p")).write(tmp_path / "a")
    found = Panels.read(tmp_path / "a")
    assert len(found.masks) == len(found.stored) == len(found.seen) == len(found.maps) == 0
