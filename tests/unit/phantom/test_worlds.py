"""The same images in other worlds, and in this one as the store holds them."""

import json

import numpy as np
import pandas as pd
import pytest

from cxrfair import datasets, phantom
from cxrfair.images.shards import build_shard
from cxrfair.images.store import ImageConfig
from cxrfair.phantom import families, worlds
from cxrfair.phantom.intervention import FACTUAL, World
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.population import FINDINGS
from cxrfair.plugins import UnknownNameError

PATIENTS, SIZE = 20, 32
EFFECTS = {"sex": ("male", "female")}
SICK = {"sex": 5.0, "race": 5.0, "age": 1.0, "insurance": 5.0}
HARD = {"dirt_share": 0.1, "corrupt_share": 0.1, "missing_share": 0.1}  # copies, spoilt files
TRUTH = [*FINDINGS, *(f"{finding}_severity" for finding in FINDINGS)]


@pytest.fixture(scope="session")
def simulated(make_config, tmp_path_factory):
    """Return a function that writes a data set once: its settings, folder and truth."""
    done = {}

    def get(name, **changes):
        key = (name, json.dumps(changes, sort_keys=True))
        if key not in done:
            folder = tmp_path_factory.mktemp(name)
            config = make_config(patients=PATIENTS, image_size=48, **changes)
            phantom.write(name, config, folder / "root", folder / "truth.parquet")
            done[key] = (config, folder / "root", folder / "truth.parquet")
        return done[key]

    return get


def _store(name, root, folder):
    """The store's pixels and index of a data set, as the pipeline makes them."""
    records = datasets.read(name, root, "{}").records
    config = ImageConfig(size=SIZE, shards=1, max_quarantined=1.0)
    index = build_shard(records, root, config, 0, folder / "pixels.npy", workers=1)
    return np.load(folder / "pixels.npy"), index[index["quarantine"].isna()]


def _render(name, simulated, chosen, ids=None):
    config, _, truth = simulated
    ids = sorted(pd.read_parquet(truth)["image_id"]) if ids is None else ids
    out = np.zeros((len(chosen) * len(ids), SIZE, SIZE), np.uint8)
    worlds.render(config, name, worlds.known(truth, ids), chosen, out)
    return out.reshape(len(chosen), len(ids), SIZE, SIZE)


def _differ(one, other):
    return (one != other).any(axis=(1, 2))


def _scene(simulated, world, name="nih_chestxray14"):
    """Rows of the images, in order of id, as a world has them."""
    config, _, truth = simulated
    ids = sorted(pd.read_parquet(truth)["image_id"])
    layout = worlds.plugins.find(worlds.writers, name).LAYOUT
    settled = families.settled(config, name)
    return next(worlds._scenes(settled, layout, worlds.known(truth, ids), [world]))


@pytest.fixture(scope="module")
def four(simulated):
    """A data set whose disease goes with sex far more than in life, its truth and four worlds."""
    pair = simulated("nih_chestxray14", indirect_path=SICK)
    return pair, _render("nih_chestxray14", pair, [*worlds.of(EFFECTS).values()])


@pytest.mark.parametrize("changes", [{}, HARD], ids=["as usual", "with much dirt"])
@pytest.mark.parametrize("name", worlds.names())
def test_the_factual_world_is_what_the_store_holds(simulated, name, changes, tmp_path):
    one = simulated(name, **changes)
    pixels, index = _store(name, one[1], tmp_path)
    ids = index["image_id"].tolist()[::-1]
    assert len(ids) > 10
    wanted = pixels[index["row"].to_numpy(int)][::-1]
    np.testing.assert_array_equal(_render(name, one, [FACTUAL], ids)[0], wanted)


def test_the_data_sets_that_have_pictures_have_them_in_every_world():
    pictured = {"mimic_cxr", "chexpert", "nih_chestxray14", "tcga_luad"}
    assert pictured <= {*worlds.names()}
    assert "mimic_iv" not in worlds.names()


def test_rows_go_world_by_world_and_image_by_image():
    rows = worlds.listed({**EFFECTS, "race": ("white", "black")}, ["b", "a"])
    assert rows["row"].tolist() == list(range(16))
    assert rows["image_id"].tolist() == ["b", "a"] * 8
    sex = rows[rows["attribute"] == "sex"].drop_duplicates(["shown", "ill"])
    assert sex[["shown", "ill"]].to_numpy().tolist() == [
        ["male", "male"],
        ["female", "male"],
        ["male", "female"],
        ["female", "female"],
    ]
    assert list(worlds.of(EFFECTS).values())[1] == World({"sex": "female"}, {"sex": "male"})


def test_what_is_shown_changes_pictures_and_no_disease(four):
    pair, (male, shown, _, _) = four
    before, after = (_scene(pair, worlds.of(EFFECTS)["sex", s, "male"]) for s in EFFECTS["sex"])
    pd.testing.assert_frame_equal(before[TRUTH], after[TRUTH])
    assert _differ(male, shown).all()


def test_who_is_ill_changes_pictures_where_disease_differs_and_nowhere_else(four):
    pair, (male, shown, ill, female) = four
    before, after = (_scene(pair, worlds.of(EFFECTS)["sex", "female", s]) for s in EFFECTS["sex"])
    moved = (before[TRUTH] != after[TRUTH]).any(axis=1).to_numpy()
    assert 0 < moved.sum() < len(moved)
    assert not _differ(shown, female)[~moved].any()
    assert not _differ(male, ill)[~moved].any()
    frontal = ~before["lateral"].to_numpy(bool)
    assert _differ(shown, female)[moved & frontal].mean() > 0.9


def test_a_world_in_which_they_are_what_they_are_leaves_people_alone(four):
    pair, (male, _, _, female) = four
    sex = pd.read_parquet(pair[2]).sort_values("image_id")["sex"].to_numpy()
    (factual,) = _render("nih_chestxray14", pair, [FACTUAL])
    for world, value in ((male, "male"), (female, "female")):
        np.testing.assert_array_equal(world[sex == value], factual[sex == value])
        assert _differ(world, factual)[sex != value].all()


@pytest.mark.parametrize(
    ("shut", "pairs"),
    [
        ({"direct_path": {"sex": 0.0}}, ((0, 1), (2, 3))),
        ({"indirect_path": {"sex": 0.0}}, ((0, 2), (1, 3))),
    ],
    ids=["direct", "indirect"],
)
def test_a_path_that_is_shut_changes_no_pixel(simulated, shut, pairs):
    changes = {"indirect_path": SICK, **shut}
    found = _render("chexpert", simulated("chexpert", **changes), [*worlds.of(EFFECTS).values()])
    for one, other in pairs:
        np.testing.assert_array_equal(found[one], found[other])
    assert _differ(found[0], found[3]).any()


def test_a_picture_filed_twice_is_one_picture_in_every_world(simulated):
    one = simulated("mimic_cxr", **HARD)
    truth = pd.read_parquet(one[2])
    copies = truth[truth["copy_of"] != ""]
    assert len(copies) > 2
    ids = [*copies["image_id"], *copies["copy_of"]]
    found = _render("mimic_cxr", one, [*worlds.of(EFFECTS).values()], ids)
    np.testing.assert_array_equal(*np.split(found, 2, axis=1))


def test_slices_stay_slices_where_a_study_would_be_x_rayed_in_bed(simulated):
    """Insurance moves people to the bedside, where this layout takes one picture of a study."""
    one = simulated("tcga_luad", device_path=5.0)
    world = worlds.of({"insurance": ("private", "medicaid")})["insurance", "medicaid", "private"]
    before, after = (_scene(one, at, "tcga_luad") for at in (FACTUAL, world))
    assert (~before["portable"] & after["portable"]).any()
    assert before["image_id"].tolist() == after["image_id"].tolist()
    assert before["modality"].tolist() == after["modality"].tolist()
    first = after[after["image"] == 0].set_index("key").loc[after["key"]].reset_index()
    assert after["image"].max() == 2
    np.testing.assert_allclose(after["zoom"], first["zoom"] * (1 + 0.02 * after["image"]))
    np.testing.assert_allclose(after["shift_y"] - first["shift_y"], 0.03 * after["image"])


def test_images_are_made_the_same_in_any_order_and_number(simulated, monkeypatch):
    one = simulated("tcga_luad")
    ids = sorted(pd.read_parquet(one[2])["image_id"])[:30]
    chosen = [*worlds.of(EFFECTS).values()]
    whole = _render("tcga_luad", one, chosen, ids)
    monkeypatch.setattr(worlds, "IMAGES", 7)
    np.testing.assert_array_equal(_render("tcga_luad", one, chosen, ids[::-3]), whole[:, ::-3])


def test_the_truth_of_other_settings_is_refused(simulated, make_config):
    _, _, truth = simulated("nih_chestxray14")
    other = make_config(patients=PATIENTS, image_size=48, direct_path={"sex": 0.5})
    rows = worlds.known(truth, pd.read_parquet(truth)["image_id"].tolist())
    out = np.zeros((len(rows), SIZE, SIZE), np.uint8)
    with pytest.raises(PhantomError) as error:
        worlds.render(other, "nih_chestxray14", rows, [FACTUAL], out)
    said = "nih_chestxray14: the truth differs from these settings in lung_width, torso, breast"
    assert said in str(error.value)
    with pytest.raises(UnknownNameError):
        worlds.render(other, "nih", rows, [FACTUAL], out)


def test_images_that_nothing_is_known_of_are_refused(simulated):
    truth = simulated("nih_chestxray14")[2]
    with pytest.raises(PhantomError, match="2 of 3 images are not in it; allowed: 0"):
        worlds.known(truth, [pd.read_parquet(truth)["image_id"][0], "a", "b"])
    with pytest.raises(PhantomError, match="0 images of the fold test; 1 or more are needed"):
        worlds.known(truth, [])


def test_what_has_no_pictures_or_cannot_be_set_is_refused():
    worlds.check("chexpert", EFFECTS)
    with pytest.raises(PhantomError) as error:
        worlds.check("mimic_iv", {"sex": ("male", "F"), "income": ("low", "high")})
    assert str(error.value).splitlines()[0] == "effects.sex: 'F'; one of female, male"
    assert "effects: no attribute 'income'; one of sex, race, insurance" in str(error.value)
    assert "no pictures of 'mimic_iv'; one of chexpert, jsrt, mimic_cxr" in str(error.value)
