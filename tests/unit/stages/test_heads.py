"""The stage that fits heads on stored features, from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxrfair import embeddings, tables
from cxrfair.stages import heads
from cxrfair.stages._cli import call

SPEC = {
    "head": "fair_class_balanced",
    "settings": {
        **{"learning_rate": 0.05, "weight_decay": 0.0, "batch_size": 8, "epochs": 20},
        **{"weighted_bce": False, "per_group": 12, "alpha": 0.5, "denominator": "group"},
    },
    **{"groups": ["sex"], "labels": ["nodule"], "seed": 0, "trials": 5},
}
FILES = ("trials.npy", "trials.parquet", "predictions.parquet", "heads.json")


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder; one feature says the nodule."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    splits = frames["splits"].assign(fold=["train", "train", "test", "validation"] * 12)
    tables.SPLITS.write(splits, Path("splits"))
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    number = np.arange(len(splits))
    targets = splits[["image_id"]].assign(label="nodule", target=number // 4 % 2)
    tables.TARGETS.write(targets.astype({"target": "Int8"}), Path("targets"))
    values = np.random.default_rng(0).normal(size=(len(splits), 4)).astype(np.float32)
    values[:, 2] += 8 * (number // 4 % 2)
    embeddings.write(Path("e.npy"), [values], values.shape)
    index = splits[["image_id", "fold"]].assign(row=number)
    tables.EMBEDDING_INDEX.write(index, Path("e.parquet"))
    return {
        **{"--features": "e.npy", "--places": "e.parquet", "--threads": "1"},
        **{"--splits": "splits", "--cohort": "cohort", "--targets": "targets"},
        **{"--spec": json.dumps(SPEC), "--scores": FILES[0], "--index": FILES[1]},
        **{"--predictions": FILES[2], "--card": FILES[3]},
    }


def run(flags):
    call(heads.heads, [word for pair in flags.items() for word in pair])


def test_trials_are_written_and_the_first_stands_for_the_variant(flags):
    run(flags)
    scores, index = np.load("trials.npy"), tables.TRIAL_INDEX.read(Path("trials.parquet"))
    assert scores.shape == (5, 24, 1)
    said = tables.PREDICTIONS.read(Path("predictions.parquet")).set_index("image_id")
    assert len(said) == 48
    np.testing.assert_array_equal(said.loc[index["image_id"], "score"], scores[0, index["row"], 0])
    target = said.loc[index["image_id"], "target"].to_numpy(int)
    for trial in scores[:, index["row"], 0]:
        assert trial[target == 1].min() > trial[target == 0].max()
    card = json.loads(Path("heads.json").read_text())
    assert card["trials"] == 5
    assert sum(card["groups"].values()) == card["training_images"] == 24


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = [Path(name).read_bytes() for name in FILES]
    run(flags)
    assert [Path(name).read_bytes() for name in FILES] == before


def test_what_is_wrong_ends_in_one_message_and_no_file(flags):
    spec = json.dumps({**SPEC, "settings": {**SPEC["settings"], "alpha": -1}})
    with pytest.raises(SystemExit, match=r"error: params.yaml heads.fair_class_balanced.alpha"):
        run({**flags, "--spec": spec})
    assert not any(Path(name).exists() for name in FILES)
