"""The stage that counts whose images were drawn, from files to a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxrfair import tables
from cxrfair.stages import drawn
from cxrfair.stages._cli import call


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder: two trainings, of seeds 0 and 1."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    for name in ("cohort", "targets", "splits"):
        getattr(tables, name.upper()).write(frames[name], Path(name))
    entries = frames["listed"][["position", "image_id"]]
    for seed in (0, 1):
        repeats = np.where(np.arange(len(entries)) < 9 * (seed + 1), 0, 1)
        tables.DRAWN.write(entries.assign(repeats=repeats), Path(f"seed{seed}"))
    study = {
        **{"datasets": ["nih"], "labels": ["edema", "nodule"], "attributes": ["sex"]},
        **{"reference": "gce", "seeds": [0, 1], "variants": {"gce": {"method": "gce"}}},
    }
    return {
        **{"--name": "rebalancing", "--dataset": "nih", "--study": [json.dumps(study)]},
        **{"--models": [json.dumps([["low", 0], ["low", 1]])], "--repeats": ["seed0", "seed1"]},
        **{"--cohort": "cohort", "--targets": "targets", "--splits": "splits"},
        **{"--out": "found.parquet"},
    }


def run(flags):
    words = [
        [name, *([value] if isinstance(value, str) else value)] for name, value in flags.items()
    ]
    call(drawn.drawn, sum(words, []))


def test_each_training_is_counted_under_its_name(flags):
    run(flags)
    found = tables.REDRAWN.read(Path("found.parquet")).set_index(["seed", "attribute", "label"])
    for seed, out in ((0, 9), (1, 18)):
        row = found.loc[(seed, "all", "any")]
        assert (row["variant"], row["n"], row["n_left_out"], row["n_more"]) == ("low", 36, out, 0)
        assert found.loc[(seed, "sex", "any"), "n_left_out"].sum() == out
    assert (found["study"] + found["dataset"]).unique() == ["rebalancingnih"]


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = Path("found.parquet").read_bytes()
    run(flags)
    assert Path("found.parquet").read_bytes() == before


def test_images_of_another_fold_end_in_one_message_and_no_file(flags):
    splits = tables.SPLITS.read(Path("splits"))
    tables.SPLITS.write(splits.assign(fold="test"), Path("splits"))
    with pytest.raises(SystemExit, match=r"error: training of low, seed 0: 36 entries"):
        run(flags)
    assert not Path("found.parquet").exists()
