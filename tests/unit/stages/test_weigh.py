"""The stage that weighs training lists, from files to a file."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages import weigh
from cxrfair.stages._cli import call


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder: one list, the training images as they are."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    for name in ("cohort", "targets", "splits"):
        table = getattr(tables, name.upper())
        table.write(frames[name], Path(name))
    tables.TRAINING_LIST.write(frames["listed"], Path("listed"))
    row = ["sex", "male", 12, 12, 9, 3, 2.0, 2.5, None]
    tables.KEPT.write(pd.DataFrame([row], columns=tables.KEPT.schema.names), Path("kept"))
    study = {
        **{"datasets": ["nih"], "labels": ["edema", "nodule"], "attributes": ["sex"]},
        **{"reference": "erm", "seeds": [0], "variants": {"erm": {"method": "erm"}}},
    }
    return {
        **{"--name": "rebalancing", "--dataset": "nih", "--study": json.dumps(study)},
        **{"--lists": '[["resample", 0]]', "--listed": "listed", "--cohort": "cohort"},
        **{"--targets": "targets", "--splits": "splits", "--out": "found.parquet"},
        **{"--kept": "kept", "--coverage": "coverage.parquet"},
    }


def run(flags):
    call(weigh.weigh, [word for pair in flags.items() for word in pair])


def test_each_list_is_weighed_beside_the_training_images(flags):
    run(flags)
    found = tables.TRAINED_ON.read(Path("found.parquet"))
    assert list(found["rebalance"].unique()) == ["none", "resample"]
    keys = ["attribute", "group", "label"]
    before, after = (
        found[found["rebalance"] == name].set_index(keys)[["weight", "n", "n_images"]]
        for name in ("none", "resample")
    )
    assert before.equals(after)
    assert before.loc[("all", "all", "any"), "n"] == 36
    assert (found["study"] + found["dataset"]).unique() == ["rebalancingnih"]


def test_what_each_list_covers_is_kept_under_its_name(flags):
    run(flags)
    (row,) = tables.COVERAGE.read(Path("coverage.parquet")).to_dict("records")
    assert (row["study"], row["dataset"]) == ("rebalancing", "nih")
    assert (row["rebalance"], row["seed"], row["cell"]) == ("resample", 0, "male")
    assert (row["n"], row["kept"], row["largest"], row["random"]) == (12, 9, 2.0, 2.5)


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = Path("found.parquet").read_bytes()
    run(flags)
    assert Path("found.parquet").read_bytes() == before


def test_a_list_of_other_images_ends_in_one_message_and_no_file(flags):
    splits = tables.SPLITS.read(Path("splits"))
    tables.SPLITS.write(splits.assign(fold="test"), Path("splits"))
    with pytest.raises(SystemExit, match=r"error: training list resample, seed 0: 36 entries"):
        run(flags)
    assert not Path("found.parquet").exists()
