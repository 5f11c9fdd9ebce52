import numpy as np

from cxrfair.localisation import Images, Maps
from cxrfair.pictured import MOST, NOTHING, Examples, choose, depict

IDS = [f"i{row}" for row in range(9)]


def images(ids=tuple(IDS)):
    """All but i3 have a finding; i5 has two."""
    rng = np.random.default_rng(0)
    sick = np.array([row for row, name in enumerate(ids) if name != "i3"])
    five = np.array([ids.index("i5")])
    masks = {
        "edema": (sick, rng.random((len(sick), 4, 4)) < 0.5),
        "nodule": (five, np.ones((1, 4, 4), bool)),
        "support_devices": (np.arange(len(ids)), np.ones((len(ids), 4, 4), bool)),
    }
    return Images(list(ids), ["p"] * len(ids), masks)


def test_images_are_chosen_by_their_ids_alone():
    chosen = choose(images())
    assert len(chosen) == MOST
    assert 3 not in chosen
    assert chosen == sorted(chosen)
    turned = images(tuple(IDS[::-1]))
    assert {turned.image_ids[row] for row in choose(turned)} == {IDS[row] for row in chosen}
    fewer = images(tuple(name for name in IDS if name not in {IDS[row] for row in chosen[1:]}))
    assert IDS[chosen[0]] in {fewer.image_ids[row] for row in choose(fewer)}


def test_what_is_kept_is_what_was_there(tmp_path):
    of = images()
    chosen = choose(of)
    pixels = np.random.default_rng(1).integers(0, 255, (len(chosen), 4, 4)).astype(np.uint8)
    values = np.random.default_rng(2).normal(size=(9, 2, 2, 3)).astype(np.float32)
    models = {"words": Maps("relevance", ("edema", "not edema"), IDS, values)}
    kept = depict(models, of, pixels, 0.3)
    assert kept.findings == ("edema", "nodule", "support_devices")
    rows, masks = of.masks["edema"]
    for at, row in enumerate(chosen):
        np.testing.assert_array_equal(kept.masks[at, 0], masks[rows == row][0])
        assert kept.masks[at, 1].all() == (row == 5)
        assert kept.seen["words"].cells[at].sum() == 2  # of 6 cells, ceil(1.8)
    np.testing.assert_array_equal(kept.seen["words"].largest, values[chosen].argmax(axis=1))
    kept.write(tmp_path / "a.npz")
    again = Examples.read(tmp_path / "a.npz")
    again.write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for name in ("pixels", "masks"):
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
    assert again.findings == kept.findings
    assert again.seen["words"].of == ("edema", "not edema")
    np.testing.assert_array_equal(again.seen["words"].cells, kept.seen["words"].cells)


def test_nothing_can_be_kept_too(tmp_path):
    NOTHING.write(tmp_path / "a")
    found = Examples.read(tmp_path / "a")
    assert len(found.pixels) == len(found.seen) == len(found.findings) == 0
