"""The stage that makes training lists, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages import rebalance
from cxrfair.stages._cli import call

EQUAL = {"over": ["sex"], "target": "equal", "cap": None}
SHARE = {"level": 0.5, "ratio": 1.0}


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


def run(flags, strategy, config, *looks, marks=()):
    given = flags | {"--strategy": strategy, "--config": json.dumps(config)}
    words = [word for pair in given.items() for word in pair]
    call(rebalance.rebalance, [*words, "--looks", *looks, "--marks", *marks])
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


@pytest.fixture
def marks(flags):
    """Write of which images there are masks of edema: of all, whatever their fold."""
    del flags
    splits = tables.SPLITS.read(Path("splits"))
    rows = splits[["image_id", "fold"]].assign(label="edema", row=np.arange(len(splits)))
    tables.MASK_INDEX.write(rows, Path("marks"))
    return ("marks",)


def test_a_share_of_the_annotated_is_guided_in_one_and_the_same_list(flags, marks):
    """Of 36 training images 18 are positive for edema; who is left out is a whole patient."""
    lists = {
        level: run(flags, "guided_share", SHARE | {"level": level}, marks=marks)[0]
        for level in (0.0, 0.5, 1.0)
    }
    assert [len(rows) for rows in lists.values()] == [36] * 3
    assert [int(rows["guided"].notna().sum()) for rows in lists.values()] == [0, 9, 18]
    targets = tables.TARGETS.read(Path("targets")).set_index(["image_id", "label"])["target"]
    shown = lists[1.0].dropna(subset="guided")
    assert set(shown["guided"]) == {'["edema"]'}
    assert all(targets[image, "edema"] == 1 for image in shown["image_id"])
    plain = run(flags, "none", {})[0]
    pd.testing.assert_frame_equal(plain.drop(columns="guided"), lists[1.0].drop(columns="guided"))


def test_patients_are_kept_whole(flags, marks):
    cohort = tables.COHORT.read(Path("cohort"))
    cohort["patient_id"] = [f"p{n // 4}" for n in range(len(cohort))]
    tables.COHORT.write(cohort, Path("cohort"))
    splits = tables.SPLITS.read(Path("splits")).set_index("image_id")["fold"]
    whose = cohort.set_index("image_id")["patient_id"][splits == "train"]
    assert whose.nunique() == 12
    listed = run(flags, "guided_share", SHARE | {"ratio": 0.34}, marks=marks)[0]
    kept = set(whose[listed["image_id"]])
    assert len(kept) == 4
    assert set(listed["image_id"]) == set(whose.index[whose.isin(kept)])


def test_who_reads_no_marks_is_given_none_and_who_does_is_given_one(flags, marks):
    with pytest.raises(SystemExit, match="rebalance: 1 files of marks; allowed here: 0"):
        run(flags, "none", {}, marks=marks)
    with pytest.raises(SystemExit, match="rebalance: 0 files of marks; allowed here: 1"):
        run(flags, "guided_share", SHARE)
    index = tables.MASK_INDEX.read(Path("marks"))
    tables.MASK_INDEX.write(index[index["fold"] != "train"], Path("marks"))
    with pytest.raises(SystemExit, match="level 0.5, but 0 listed images are positive for a label"):
        run(flags, "guided_share", SHARE, marks=marks)
