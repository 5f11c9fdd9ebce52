"""The stage that sets maps against findings, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.pictured import Examples
from cxrfair.stages import localise
from cxrfair.stages._cli import call

MODELS = [("erm", 0), ("erm", 1), ("dro", 0), ("dro", 1)]
UNCERTAINTY = {"resamples": 20, "confidence": 0.9, "seed": 1, "min_group_size": 3}
SIZE = 32
BOX = "[0, 0, 16, 16]"  # the first of four cells


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given of patients, in an empty folder; erm looks at the box, dro away."""
    monkeypatch.chdir(tmp_path)
    frames = made.training(size=SIZE)
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    tables.STORE_INDEX.write(frames["index"], Path("index"))
    np.save("pixels.npy", frames["pixels"])
    ids = ["i03", "i07", "i11"]
    marks = pd.DataFrame({"image_id": ids[:2], "label": "edema", "i": 0, "kind": "box"})
    tables.ANNOTATIONS.write(marks.assign(geometry=BOX, source="x"), Path("marks"))
    for variant, seed in MODELS:
        values = np.zeros((3, 2, 2, 2), np.float32)
        values[:, 1, *((0, 0) if variant == "erm" else (1, 1))] = 5
        np.save(f"{variant}{seed}.npy", values)
        index = pd.DataFrame({"image_id": ids, "row": range(3)})
        tables.MAP_INDEX.write(index, Path(f"{variant}{seed}.parquet"))
        told = {"name": "relevance", "of": ["edema", "not edema"]}
        Path(f"{variant}{seed}.json").write_text(json.dumps(told))
    study = {
        **{"datasets": ["nih"], "labels": ["edema"], "attributes": ["sex"], "reference": "erm"},
        **{"variants": {v: {"method": v} for v in ("erm", "dro")}, "seeds": [0, 1]},
    }
    return {
        **{"--name": "quick", "--dataset": "nih", "--study": json.dumps(study)},
        "--models": json.dumps(MODELS),
        "--maps": [f"{v}{s}.npy" for v, s in MODELS],
        "--places": [f"{v}{s}.parquet" for v, s in MODELS],
        "--about": [f"{v}{s}.json" for v, s in MODELS],
        **{"--truth": [], "--annotations": ["marks"], "--cohort": "cohort"},
        **{"--pixels": "pixels.npy", "--index": "index", "--share": "0.25"},
        "--uncertainty": json.dumps(UNCERTAINTY),
        **{"--out": "found.parquet", "--examples": "examples.npz"},
    }


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(localise.localise, [word for words in pairs for word in words])


def test_each_model_is_measured_by_its_own_maps_and_no_patient_is_pictured(flags, capfd):
    run(flags)
    found = tables.LOCALISATION.read(Path("found.parquet"))
    rows = found[found["label"] == "any"].set_index(["variant", "seed"])
    for seed in (0, 1):
        assert rows.loc[("erm", seed), "value"] == 1
        assert rows.loc[("erm", seed), "lift"] == 4
        assert rows.loc[("dro", seed), ["value", "difference"]].tolist() == [0, -1]
    assert (found["n"] == 2).all()
    kept = Examples.read(Path("examples.npz"))
    assert kept.pixels.size == kept.masks.size == len(kept.seen) == 0
    assert "localise quick nih: 4 in" in capfd.readouterr().err


def test_of_a_phantom_a_few_pictures_are_kept(flags, monkeypatch):
    mask = np.zeros((2, SIZE, SIZE), bool)
    mask[:, :16, :16] = True
    known = {"edema": (np.array([0, 2]), mask)}
    monkeypatch.setattr(localise.outlines, "from_truth", lambda _ids, _truth, _size: known)
    run(flags | {"--truth": ["truth"], "--annotations": []})
    kept = Examples.read(Path("examples.npz"))
    pixels = np.load("pixels.npy")
    assert {each.tobytes() for each in kept.pixels} == {pixels[row].tobytes() for row in (3, 11)}
    assert list(kept.seen) == ["erm", "dro"]
    assert kept.seen["erm"].cells.tolist() == [[[True, False], [False, False]]] * 2
    assert (kept.seen["dro"].largest[:, 1, 1] == 1).all()  # `not edema`


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = [Path(name).read_bytes() for name in ("found.parquet", "examples.npz")]
    run(flags)
    assert [Path(name).read_bytes() for name in ("found.parquet", "examples.npz")] == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"--annotations": []}, "0 of truth, 0 of annotations; exactly one file of either"),
        ({"--truth": ["t"]}, "1 of truth, 1 of annotations; exactly one file of either"),
        ({"--share": "0"}, "draw.share: 0.0; allowed: above 0, at most 1"),
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
