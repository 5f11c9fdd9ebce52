import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cxrfair import tables
from cxrfair.localisation import (
    Images,
    LocalisationError,
    Maps,
    cells_inside,
    localise,
    looked_at,
)
from cxrfair.methods._network import Network, Representation
from cxrfair.methods._words import Strided
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study

UNCERTAINTY = Uncertainty(resamples=80, confidence=0.9, seed=3, min_group_size=2)
WHERE = ("quick", "nih")


def mask(*text):
    """A mask of rows of `#` and `.`."""
    return np.array([[letter == "#" for letter in row] for row in text])


def maps(values, kind="relevance", ids=None):
    """Maps of images with one map each; `values` (n, rows, columns)."""
    values = np.asarray(values, np.float32)[:, None]
    return Maps(kind, (), ids or [f"i{n}" for n in range(len(values))], values)


def images(masks, n=3, patients=None):
    """Images i0, i1, ..., each of a patient of its own by default; `masks[label] = {row: mask}`."""
    found = {k: (np.array(list(v), np.intp), np.stack(list(v.values()))) for k, v in masks.items()}
    ids = [f"i{row}" for row in range(n)]
    return Images(ids, patients or [f"p{row}" for row in range(n)], found)


LEFT = mask("##..", "##..", "....", "....")  # the first of four cells
HALF = mask("#...", "#...", "....", "....")  # half of it
ALL = mask("####", "####", "####", "####")
FIRST = [[9, 0], [0, 0]]
LAST = [[0, 0], [0, 9]]


def at(found, label="any", variant="erm", seed=0):
    rows = found[["label", "variant", "seed"]].eq([label, variant, seed]).all(axis=1)
    (row,) = found[rows].to_dict("records")
    return row


def test_the_cells_of_largest_salience_are_looked_at_the_first_of_equals():
    salience = np.array([[1, 5, 2, 5, 0], [3, 3, 3, 3, 3]], np.float32)
    assert looked_at(salience, 0.4).tolist() == [
        [False, True, False, True, False],
        [True] * 2 + [False] * 3,
    ]
    assert looked_at(salience, 0.41).sum(axis=1).tolist() == [3, 3]  # 2.05 of 5 cells are three
    assert looked_at(salience, 1.0).all()
    for share in (0, 1.5, float("nan")):
        with pytest.raises(LocalisationError, match=r"draw.share: .*; allowed: above 0, at most 1"):
            looked_at(salience, share)


class Patches(Network):
    """A network whose tokens are the pixels of 3 x 4 cells, as they are."""

    def __init__(self):
        super().__init__()
        self.width, self.grid, self.head = 5, (3, 4), nn.Linear(5, 1)

    def represent(self, image):
        tokens = image.reshape(len(image), 12, 5)
        return Representation(tokens, tokens.mean(1), self.head(tokens.mean(1)), self.grid)


@pytest.mark.parametrize("keep", [0.1, 0.25, 0.5])
def test_what_a_network_selects_is_what_it_is_said_to_look_at(keep):
    torch.manual_seed(0)
    network = Strided(Patches(), torch.randn(2, 7), keep, 0.07).eval()
    nn.init.normal_(network.mask)
    image = torch.randn(6, 1, 12, 5)
    image[0] = 0.5  # cells that are alike
    kind, drawn = network.draw(image)
    seen = Maps(kind, network.shows(("edema",)), [*"abcdef"], drawn.numpy()).looked_at(keep)
    selected = torch.zeros(6, 12).scatter(1, network.attend(image).kept, 1.0).numpy()
    np.testing.assert_array_equal(seen, selected.astype(bool))


def test_class_activation_counts_whatever_its_sign_and_other_maps_do_not():
    values = np.array([[[[1, -3]], [[2, 0]]]], np.float32)
    of = ("edema", "nodule")
    for kind, wanted in (("class_activation", [[2, 3]]), ("relevance", [[2, 0]])):
        found = Maps(kind, of, ["a"], values).strength.max(axis=1)
        assert found.tolist() == wanted


def test_cells_count_by_the_share_of_their_area():
    found = cells_inside(np.stack([LEFT, HALF, ALL]), (2, 2))
    np.testing.assert_allclose(found, [[1, 0, 0, 0], [0.5, 0, 0, 0], [1, 1, 1, 1]])
    thirds = cells_inside(mask("#..", "#..", "...")[None], (1, 2))  # a cell is 3 x 1.5 pixels
    np.testing.assert_allclose(thirds, [[2 / 4.5, 0]])
    middle = cells_inside(mask(".#.")[None], (1, 2))
    np.testing.assert_allclose(middle, [[0.5 / 1.5, 0.5 / 1.5]])
    assert cells_inside(np.zeros((0, 4, 4), bool), (2, 2)).shape == (0, 4)


@given(
    size=st.integers(1, 9),
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    seed=st.integers(0, 9),
)
def test_cells_agree_with_a_picture_drawn_fine_enough(size, rows, columns, seed):
    inside = np.random.default_rng(seed).random((2, size, size)) < 0.4
    fine = inside.repeat(rows, axis=1).repeat(columns, axis=2)
    wanted = fine.reshape(2, rows, size, columns, size).mean(axis=(2, 4)).reshape(2, -1)
    found = cells_inside(inside, (rows, columns))
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def measured(models, of, share=0.25, **against):
    variants = {
        name: {"method": "erm", "against": against.get(name)} for name in ("erm", "dro", "jtt")
    }
    study = Study.model_validate(
        {
            **{"datasets": ("nih",), "labels": ("edema",), "attributes": ("sex",), "seeds": (0, 1)},
            **{"reference": "erm", "variants": variants},
        }
    )
    found = localise(WHERE, study, models, of, share, UNCERTAINTY)
    tables.LOCALISATION.check(found)
    return found


def test_a_measure_worked_out_by_hand():
    of = images({"edema": {0: LEFT, 1: HALF}, "nodule": {1: ALL}, "support_devices": {2: ALL}})
    found = measured({("erm", 0): maps([FIRST, FIRST, LAST])}, of)
    assert found["label"].tolist() == ["any", "edema", "nodule", "support_devices"]
    edema = at(found, "edema")  # looked at: the first cell; inside: 1 and 1/2
    assert edema["value"] == pytest.approx((1 + 0.5) / 2)
    assert edema["expected"] == pytest.approx((4 / 16 + 2 / 16) / 2)
    assert edema["lift"] == pytest.approx(0.75 / 0.1875)
    assert edema["looked_at"] == 0.25
    assert (edema["n"], edema["n_patients"]) == (2, 2)
    # of i0 the others look once at the first cell, once at the last; so they do of i1
    assert edema["elsewhere"] == pytest.approx((0.5 * 1 + 0.5 * 0.5) / 2)
    union = at(found)  # i0: LEFT; i1: everything; i2 has devices alone
    assert union["n"] == 2
    assert union["value"] == 1
    assert union["expected"] == pytest.approx((0.25 + 1) / 2)
    assert (
        at(found, "nodule")["note"]
        == "fewer than 2 images; undefined in " + str(_undefined(1)) + " of 80 resamples"
    )
    assert at(found, "support_devices")["value"] == 1


def _undefined(column, n=3):
    return int((patient_counts(n, 80, 3)[1:, column] == 0).sum())


def test_intervals_are_percentiles_over_patients_and_the_difference_is_paired():
    rng = np.random.default_rng(1)
    n, patients = 12, [f"p{row // 2}" for row in range(12)]
    masks = {row: rng.random((4, 4)) < 0.5 for row in range(n)}
    of = images({"edema": masks}, n, patients)
    own, other = rng.normal(size=(2, n, 2, 2))
    found = measured({("erm", 0): maps(own), ("dro", 0): maps(other)}, of)
    inside = np.array([m.reshape(2, 2, 2, 2).mean(axis=(1, 3)).ravel() for m in masks.values()])
    drawn = patient_counts(6, 80, 3).repeat(2, axis=1)  # two images a patient

    def resampled(values):
        each = inside[np.arange(n), values.reshape(n, 4).argmax(axis=1)]
        return drawn @ each / drawn.sum(axis=1)

    mine, apart = resampled(own), resampled(other) - resampled(own)
    row, against = at(found), at(found, variant="dro")
    ends = np.quantile(mine[1:], [0.05, 0.95])
    np.testing.assert_allclose([row["value"], row["ci_low"], row["ci_high"]], [mine[0], *ends])
    got = [against[name] for name in ("difference", "difference_low", "difference_high")]
    np.testing.assert_allclose(got, [apart[0], *np.quantile(apart[1:], [0.05, 0.95])])
    lift = mine / (drawn @ inside.mean(axis=1) / drawn.sum(axis=1))
    np.testing.assert_allclose(row["lift_high"], np.quantile(lift[1:], 0.95))
    assert np.isnan(row["difference"])
    assert row["n_patients"] == 6


def test_models_that_look_alike_differ_by_nothing_and_each_seed_by_its_own():
    of = images({"edema": {0: LEFT, 1: LEFT, 2: HALF}})
    same, away = maps([FIRST] * 3), maps([LAST] * 3)
    models = {("erm", 0): same, ("erm", 1): away, ("dro", 0): same, ("dro", 1): same}
    found = measured(models, of)
    assert at(found, variant="dro")["difference"] == 0
    assert at(found, variant="dro", seed=1)["difference"] == pytest.approx(2.5 / 3)
    models |= {("jtt", 1): same}
    assert at(measured(models, of, jtt="dro"), variant="jtt", seed=1)["difference"] == 0
    alone = measured({("dro", 0): same}, of)  # the reference draws no maps
    assert np.isnan(at(alone, variant="dro")["difference"])


def test_looking_everywhere_is_looking_anywhere_and_habit_gains_nothing():
    rng = np.random.default_rng(2)
    of = images({"edema": {row: rng.random((4, 4)) < 0.5 for row in range(3)}})
    everywhere = at(measured({("erm", 0): maps(rng.normal(size=(3, 2, 2)))}, of, share=1.0))
    assert everywhere["value"] == pytest.approx(everywhere["expected"])
    assert everywhere["lift"] == pytest.approx(1)
    habit = at(measured({("erm", 0): maps([LAST] * 3)}, of))
    assert habit["elsewhere"] == pytest.approx(habit["value"])


def test_without_a_mask_there_is_no_number():
    row = at(measured({("erm", 0): maps([FIRST] * 3)}, images({})))
    assert row["note"] == "no image with a mask"
    assert row["n"] == row["n_patients"] == 0
    numbers = ("value", "ci_low", "ci_high", "expected", "elsewhere", "lift", "lift_low")
    assert all(np.isnan(row[name]) for name in numbers)
    alone = images({"edema": {0: LEFT}}, n=1)
    assert np.isnan(at(measured({("erm", 0): maps([FIRST])}, alone))["elsewhere"])


def test_maps_are_found_by_the_ids_of_their_images():
    of = images({"edema": {0: LEFT, 1: HALF}})
    before = measured({("erm", 0): maps([FIRST, LAST, LAST])}, of)
    turned = maps([LAST, LAST, FIRST], ids=["i2", "i1", "i0"])
    pd.testing.assert_frame_equal(before, measured({("erm", 0): turned}, of))
    with pytest.raises(LocalisationError, match="maps: 1 of 3 images have none; allowed: 0"):
        measured({("erm", 0): maps([FIRST, LAST])}, of)


def test_grids_of_any_shape_stand_side_by_side():
    of = images({"edema": {0: LEFT, 1: LEFT, 2: LEFT}})
    wide = maps(np.tile([[5.0, 4, 0], [0, 0, 0]], (3, 1, 1)))  # cells of 2 x 4/3 pixels
    found = measured({("erm", 0): maps([FIRST] * 3), ("dro", 0): wide}, of)
    row = at(found, variant="dro")  # two of six cells: the first whole, of the second a half
    assert row["looked_at"] == pytest.approx(float(Fraction(2, 6)))
    assert row["value"] == pytest.approx(0.75)
    assert row["expected"] == at(found)["expected"] == pytest.approx(0.25)


def test_maps_are_read_as_they_were_drawn(tmp_path):
    values = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
    np.save(tmp_path / "v.npy", values)
    index = pd.DataFrame({"image_id": ["a", "b"], "row": [1, 0]})
    tables.MAP_INDEX.write(index, tmp_path / "i")
    told = {"name": "relevance", "of": ["edema", "not edema"]}
    (tmp_path / "a").write_text(json.dumps(told))
    found = Maps.read(tmp_path / "v.npy", tmp_path / "i", tmp_path / "a")
    assert (found.kind, found.of, found.image_ids) == ("relevance", tuple(told["of"]), ["a", "b"])
    np.testing.assert_array_equal(found.values, values[::-1])
    assert found.grid == (2, 2)
    (tmp_path / "a").write_text(json.dumps(told | {"name": "dreams"}))
    says = "'dreams'; allowed: class_activation, attention, relevance"
    with pytest.raises(LocalisationError, match=says):
        Maps.read(tmp_path / "v.npy", tmp_path / "i", tmp_path / "a")


def test_the_union_is_of_findings_that_overlap():
    of = images({"edema": {0: LEFT, 2: HALF}, "nodule": {0: ~LEFT, 1: HALF}})
    rows, union = of.outlined()["any"]
    assert rows.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(union, np.stack([ALL, HALF, HALF]))
    devices = replace(of, masks={"support_devices": (np.array([1]), ALL[None])})
    assert len(devices.outlined()["any"][0]) == 0
