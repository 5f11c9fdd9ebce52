"""The stage that makes training lists, from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxrfair import tables
from cxrfair.stages import rebalance
from cxrfair.stages._cli import call

EQUAL = {"over": ["sex"], "target": "equal", "cap": None}


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder; of 36 training images 12 are of men."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    for name in ("cohort", "targets", "splits"):
        getattr(tables, name.upper()).write(frames[name], Path(name))
    tables.STORE_INDEX.write(frames["index"], Path("index"))
    np.save("pixels.npy", frames["pixels"])
    return {
        **{"--cohort": "cohort", "--targets": "targets", "--splits": "splits", "--seed": "0"},
        **{"--listed": "listed.parquet", "--kept": "kept.parquet"},
    }


def run(flags, strategy, config, *looks):
    given = flags | {"--strategy": strategy, "--config": json.dumps(config)}
    words = [word for pair in given.items() for word in pair]
    call(rebalance.rebalance, [*words, "--looks", *looks])
    return tables.TRAINING_LIST.read(Path("listed.parquet")), tables.KEPT.read(Path("kept.parquet"))


def test_what_is_left_out_of_a_list_is_told_beside_it(flags):
    listed, kept = run(flags, "cluster_downsample", EQUAL, "pixels.npy", "index")
    rows = kept.set_index("cell")
    assert rows["n"].to_dict() == {"female": 24, "male": 12}
    assert rows["kept"].sum() == len(listed)
    assert rows.loc["female", "looked_at"] == 24 - rows.loc["female", "kept"] > 0
    assert rows.loc["female", ["largest", "random"]].gt(0).all()
    assert rows.loc["male", "note"] == "no image is left out"


def test_of_lists_that_leave_nothing_out_or_see_no_picture_there_is_nothing(flags):
    up = EQUAL | {"blend": False}
    assert run(flags, "augment_upsample", up, "pixels.npy", "index")[1].empty
    assert run(flags, "none", {})[1].empty
    rule = {"over": ["sex"], "biased_above": 0.1, "priority": 0.7}
    listed, kept = run(flags, "code_rule", rule)
    assert listed["image_id"].nunique() < 36
    assert kept.empty


def test_twice_the_same_is_the_same_bytes(flags):
    files = [Path("listed.parquet"), Path("kept.parquet")]
    run(flags, "cluster_downsample", EQUAL, "pixels.npy", "index")
    before = [file.read_bytes() for file in files]
    run(flags, "cluster_downsample", EQUAL, "pixels.npy", "index")
    assert [file.read_bytes() for file in files] == before
