"""The stage that sets saliency maps against one another, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.pictured_saliency import NONE, Panels, Pictures
from cxrfair.stages import overlap
from cxrfair.stages._cli import call

UNCERTAINTY = {"resamples": 20, "confidence": 0.9, "seed": 1, "min_group_size": 2}
IDS = ["i03", "i07", "i11"]
SIZE = 32


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given of patients; erm's maps are one and the same, faap's lie apart."""
    monkeypatch.chdir(tmp_path)
    frames = made.training(size=SIZE)
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    tables.STORE_INDEX.write(frames["index"], Path("index"))
    np.save("pixels.npy", frames["pixels"])
    rows, parts = [], []
    for variant, at in (("erm", 0), ("faap", 3)):
        for of, name, place in (("label", "edema", 0), ("attribute", "sex", at)):
            for image in IDS:
                rows.append((variant, 0, of, name, image, 16 * len(parts), 4, 4))
                parts.append(np.eye(16, dtype=np.float32)[5 * place])
    np.save("maps.npy", np.concatenate(parts))
    index = pd.DataFrame(rows, columns=list(tables.SALIENCY_INDEX.columns))
    tables.SALIENCY_INDEX.write(index, Path("where"))
    NONE.write(Path("pictures.npz"))
    study = {
        **{"datasets": ["nih"], "labels": ["edema"], "attributes": ["sex"], "reference": "erm"},
        **{"variants": {v: {"method": v} for v in ("erm", "faap")}, "seeds": [0]},
        "effects": {"sex": ["male", "female"]},
    }
    return {
        **{"--name": "quick", "--dataset": "nih", "--study": json.dumps(study)},
        **{"--maps": "maps.npy", "--where": "where", "--pictures": "pictures.npz"},
        **{"--cohort": "cohort", "--pixels": "pixels.npy", "--index": "index"},
        "--uncertainty": json.dumps(UNCERTAINTY),
        **{"--out": "found.parquet", "--panels": "panels.npz"},
    }


def run(flags):
    call(overlap.overlap, [word for pair in flags.items() for word in pair])


def test_each_model_is_measured_by_its_own_maps_and_no_patient_is_pictured(flags, capfd):
    run(flags)
    found = tables.OVERLAP.read(Path("found.parquet")).set_index("variant")
    assert found["value"].to_dict() == {"erm": 1, "faap": 0}
    assert found.loc["faap", "difference"] == -1
    assert (found["n"] == 3).all()
    assert (found["blank"] == 0).all()
    kept = Panels.read(Path("panels.npz"))
    assert len(kept.masks) == len(kept.seen) == len(kept.maps) == 0
    assert "overlap quick nih: 2 in" in capfd.readouterr().err


def test_of_a_phantom_maps_are_set_beside_the_pictures(flags):
    seen = np.arange(2 * SIZE * SIZE, dtype=np.uint8).reshape(2, SIZE, SIZE)
    masks = np.zeros((2, SIZE, SIZE), bool)
    Pictures(("i03", "i11"), masks, seen, {"erm": seen, "faap": seen}).write(Path("pictures.npz"))
    run(flags)
    kept = Panels.read(Path("panels.npz"))
    assert list(kept.seen) == ["erm", "faap"]
    np.testing.assert_array_equal(kept.seen["faap"], seen)
    first, last = kept.maps["faap"][:, 0]
    assert (first[0, 0], first[-1, -1]) == (255, 0)
    assert (last[0, 0], last[-1, -1]) == (0, 255)


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = [Path(name).read_bytes() for name in ("found.parquet", "panels.npz")]
    run(flags)
    assert [Path(name).read_bytes() for name in ("found.parquet", "panels.npz")] == before


def test_images_of_nobody_are_refused_without_naming_them(flags):
    cohort = tables.COHORT.read(Path("cohort"))
    tables.COHORT.write(cohort[cohort["image_id"] != "i07"], Path("cohort"))
    with pytest.raises(SystemExit, match="1 explained images are not in the cohort; allowed: 0$"):
        run(flags)
    assert not Path("found.parquet").exists()
