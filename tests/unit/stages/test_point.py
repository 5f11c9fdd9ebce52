"""The stage that tells whether maps point at what is outlined, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.sights import Sights
from cxrfair.stages import point
from cxrfair.stages._cli import call

MODELS = [("erm", 0), ("erm", 1), ("dro", 0), ("dro", 1)]
UNCERTAINTY = {"resamples": 20, "confidence": 0.9, "seed": 1, "min_group_size": 2}
SIZE = 32
IDS = ["i03", "i07", "i11"]


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder; erm points at the masks of edema, dro away.

    i03 and i07 have a mask of an edema, i07 an empty one of a mass, i15 has no maps, and i11 is of
    another fold.
    """
    monkeypatch.chdir(tmp_path)
    frames = made.training(size=SIZE)
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    tables.STORE_INDEX.write(frames["index"], Path("index"))
    np.save("pixels.npy", frames["pixels"])
    masks = np.zeros((5, SIZE, SIZE), np.uint8)
    masks[[0, 1, 3, 4], :16, :16] = 1
    np.save("masks.npy", masks)
    listed = pd.DataFrame({"image_id": ["i03", "i07", "i07", "i11", "i15"], "row": range(5)})
    listed["label"] = ["edema", "edema", "mass", "edema", "edema"]
    fold = ["test", "test", "test", "train", "test"]
    tables.MASK_INDEX.write(listed.assign(fold=fold), Path("marks"))
    for variant, seed in MODELS:
        values = np.zeros((3, 2, 2, 2), np.float32)
        values[:, 0, *((0, 0) if variant == "erm" else (1, 1))] = 5
        np.save(f"{variant}{seed}.npy", values)
        index = pd.DataFrame({"image_id": IDS, "row": range(3)})
        tables.MAP_INDEX.write(index, Path(f"{variant}{seed}.parquet"))
        told = {"name": "relevance", "of": ["edema", "mass"]}
        Path(f"{variant}{seed}.json").write_text(json.dumps(told))
    study = {
        **{"datasets": ["nih"], "labels": ["edema", "mass"], "attributes": ["sex"]},
        **{"variants": {v: {"method": v} for v in ("erm", "dro")}, "seeds": [0, 1]},
    }
    return {
        **{"--name": "quick", "--dataset": "nih"},
        "--study": json.dumps(study | {"reference": "erm"}),
        "--models": json.dumps(MODELS),
        "--maps": [f"{v}{s}.npy" for v, s in MODELS],
        "--places": [f"{v}{s}.parquet" for v, s in MODELS],
        "--about": [f"{v}{s}.json" for v, s in MODELS],
        **{"--masks": "masks.npy", "--marks": "marks", "--cohort": "cohort"},
        **{"--pixels": "pixels.npy", "--index": "index", "--simulated": "false"},
        "--uncertainty": json.dumps(UNCERTAINTY),
        **{"--out": "found.parquet", "--sights": "sights.npz"},
    }


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(point.point, [word for words in pairs for word in words])


def test_each_model_is_measured_by_its_own_maps_and_no_patient_is_pictured(flags, capfd):
    run(flags)
    found = tables.POINTING.read(Path("found.parquet"))
    rows = found[found["group"] == "all"].set_index(["label", "variant", "seed"]).sort_index()
    for seed in (0, 1):
        assert rows.loc[("edema", "erm", seed), ["value", "expected"]].tolist() == [1, 0.25]
        assert rows.loc[("edema", "dro", seed), ["value", "difference"]].tolist() == [0, -1]
    assert (rows.loc["edema", "n"] == 2).all()
    assert rows.loc["mass", "value"].isna().all()
    assert (rows.loc["mass", "note"] == "no image with a mask").all()
    assert set(found["attribute"]) == {"all", "sex"}
    kept = Sights.read(Path("sights.npz"))
    assert kept.pixels.size == kept.masks.size == len(kept.maps) == len(kept.labels) == 0
    assert "point quick nih: 4 in" in capfd.readouterr().err


def test_of_a_phantom_a_few_pictures_are_kept(flags):
    run(flags | {"--simulated": "true"})
    kept = Sights.read(Path("sights.npz"))
    pixels = np.load("pixels.npy")
    assert kept.labels == ("edema", "edema")
    np.testing.assert_array_equal(kept.pixels, pixels[[3, 7]])
    assert kept.masks[:, :16, :16].all()
    assert kept.masks.sum() == 2 * 256
    assert list(kept.maps) == ["erm", "dro"]
    assert kept.maps["erm"].tolist() == [[[5, 0], [0, 0]]] * 2
    assert kept.maps["dro"].tolist() == [[[0, 0], [0, 5]]] * 2


def test_twice_the_same_is_the_same_bytes(flags):
    flags["--simulated"] = "true"
    run(flags)
    before = [Path(name).read_bytes() for name in ("found.parquet", "sights.npz")]
    run(flags)
    assert [Path(name).read_bytes() for name in ("found.parquet", "sights.npz")] == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"--models": "[]", "--maps": [], "--places": [], "--about": []},
            "point: maps of 0 models; at least 1 is needed",
        ),
        ({"--simulated": "perhaps"}, "--simulated: 'perhaps'; allowed: true, false"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_message_and_no_file(flags, changes, says):
    with pytest.raises(SystemExit, match=says):
        run(flags | changes)
    assert not Path("found.parquet").exists()


def test_images_of_nobody_are_refused_without_naming_them(flags):
    cohort = tables.COHORT.read(Path("cohort"))
    tables.COHORT.write(cohort[cohort["image_id"] != "i07"], Path("cohort"))
    with pytest.raises(SystemExit, match="1 drawn images are not in the cohort; allowed: 0$"):
        run(flags)


def test_a_label_that_no_map_is_of_is_refused(flags):
    for variant, seed in MODELS:
        told = {"name": "relevance", "of": ["edema", "nodule"]}
        Path(f"{variant}{seed}.json").write_text(json.dumps(told))
    with pytest.raises(SystemExit, match="maps: none of 'mass'; have edema, nodule"):
        run(flags)
