import numpy as np
import pytest

from cxrfair.localisation import Maps
from cxrfair.sights import MOST, NOTHING, Sights, depict, select

IDS = [f"i{row}" for row in range(9)]
SIZE = 4


def masks(ids=tuple(IDS)):
    """All but i3 show an edema, whose mask is empty in i4; i5 has a nodule, too; nobody a mass."""
    sick = np.array([row for row, name in enumerate(ids) if name != "i3"])
    edema = np.ones((len(sick), SIZE, SIZE), bool)
    edema[sick == list(ids).index("i4")] = False
    edema[:, 0] = False
    nodule = np.zeros((1, SIZE, SIZE), bool)
    nodule[0, 1, 1] = True
    none = (np.empty(0, np.intp), np.empty((0, SIZE, SIZE), bool))
    return {"edema": (sick, edema), "mass": none, "nodule": (np.array([ids.index("i5")]), nodule)}


def pixels(ids):
    return np.stack([np.full((SIZE, SIZE), int(name[1:]), np.uint8) for name in ids])


def maps(ids=IDS, of=("edema", "mass", "nodule")):
    values = np.random.default_rng(2).normal(size=(len(ids), max(len(of), 1), 2, 3))
    return Maps("class_activation", tuple(of), list(ids), values.astype(np.float32))


def test_images_are_chosen_by_their_ids_label_by_label():
    chosen = select(IDS, masks())
    names = [(label, IDS[row]) for label, row, _ in chosen]
    edema = [name for label, name in names if label == "edema"]
    assert len(edema) == MOST
    assert not {"i3", "i4"} & set(edema)
    assert edema == sorted(edema)
    assert names[MOST:] == [("nodule", "i5")]
    turned = IDS[::-1]
    again = [(label, turned[row]) for label, row, _ in select(turned, masks(tuple(turned)))]
    assert again == names


def test_each_pair_is_kept_with_its_mask_and_each_variant_s_map_of_its_label(tmp_path):
    models = {"worded": maps(), "plain": maps(of=())}
    kept = depict(models, IDS, masks(), pixels)
    assert kept.labels == ("edema",) * MOST + ("nodule",)
    for at, (label, row, place) in enumerate(select(IDS, masks())):
        assert (kept.pixels[at] == row).all()
        np.testing.assert_array_equal(kept.masks[at], masks()[label][1][place])
        number = models["worded"].of.index(label)
        np.testing.assert_array_equal(kept.maps["worded"][at], models["worded"].values[row, number])
        np.testing.assert_array_equal(kept.maps["plain"][at], models["plain"].values[row, 0])
    assert kept.maps["plain"].dtype == np.float32
    kept.write(tmp_path / "a.npz")
    again = Sights.read(tmp_path / "a.npz")
    again.write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert again.labels == kept.labels
    assert list(again.maps) == ["worded", "plain"]
    np.testing.assert_array_equal(again.masks, kept.masks)
    np.testing.assert_array_equal(again.pixels, kept.pixels)
    np.testing.assert_array_equal(again.maps["worded"], kept.maps["worded"])


def test_without_a_mask_no_picture_is_looked_at(tmp_path):
    def read(_ids):
        pytest.fail("a picture was read")

    assert depict({"worded": maps()}, IDS, {}, read) is NOTHING
    NOTHING.write(tmp_path / "a")
    found = Sights.read(tmp_path / "a")
    assert len(found.pixels) == len(found.masks) == len(found.labels) == len(found.maps) == 0
