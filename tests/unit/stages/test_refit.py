"""The stage that refits heads on stored features, from files to a file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import embeddings, tables
from cxrfair.stages import refit
from cxrfair.stages._cli import call

UNCERTAINTY = {"resamples": 20, "confidence": 0.9, "seed": 1, "min_group_size": 3}
POLICY = {
    "uncertain": {"default": "ignore"},
    "unmentioned": {"default": "zero", "mass": "ignore"},
    "union": {},
}
MODELS = [("vanilla", 0), ("ad", 0)]


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder; the second model's features say the edema.

    Of a quarter of the images edema is in doubt; a mass is only ever said to be there. One image
    of the source is in no fold.
    """
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    splits = frames["splits"].assign(fold=["train", "train", "test", "validation"] * 12)
    tables.SPLITS.write(splits, Path("splits"))
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    ids = frames["splits"]["image_id"]
    number = np.arange(len(ids))
    edema = np.where(number % 3, "positive", "negative").astype(object)
    edema[number // 4 % 4 == 3] = "uncertain"
    said = {"edema": edema, "mass": np.where(number % 5, "unmentioned", "positive")}
    wide = pd.DataFrame({"image_id": ids, **said})
    wide = pd.concat([wide, wide.tail(1).assign(image_id="elsewhere")], ignore_index=True)
    states = wide.melt("image_id", var_name="label", value_name="state")
    tables.LABELS.write(states, Path("states"))
    noise = np.random.default_rng(0).normal(size=(len(ids), 4)).astype(np.float32)
    for (variant, seed), shift in zip(MODELS, (0, 9), strict=True):
        features = noise + np.float32(shift) * (edema == "positive").astype(np.float32)[:, None]
        embeddings.write(Path(f"{variant}{seed}.npy"), [features], features.shape)
        index = splits[["image_id", "fold"]].assign(row=number)
        tables.EMBEDDING_INDEX.write(index, Path(f"{variant}{seed}.parquet"))
    study = {
        **{"datasets": ["nih"], "labels": ["nodule"], "attributes": ["sex"]},
        **{"downstream": ["edema", "mass"], "reference": "vanilla", "seeds": [0]},
        "variants": {"vanilla": {"method": "erm"}, "ad": {"method": "ad"}},
    }
    return {
        "--name": "causal",
        "--dataset": "nih",
        "--study": json.dumps(study),
        "--models": json.dumps(MODELS),
        "--features": [f"{v}{s}.npy" for v, s in MODELS],
        "--places": [f"{v}{s}.parquet" for v, s in MODELS],
        **{"--splits": "splits", "--cohort": "cohort", "--states": "states"},
        "--policy": json.dumps(POLICY),
        "--config": '{"images": 100, "penalty": 0.01}',
        "--threshold": '{"rule": "max_f1"}',
        "--uncertainty": json.dumps(UNCERTAINTY),
        "--out": "found.parquet",
    }


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(refit.refit, [word for words in pairs for word in words])


def test_each_model_has_heads_of_its_own_features(flags, capfd):
    run(flags)
    found = tables.DOWNSTREAM.read(Path("found.parquet"))
    rows = found.set_index(["variant", "label", "metric"])
    assert rows.loc[("ad", "edema", "auroc"), "value"] == 1
    assert rows.loc[("vanilla", "edema", "auroc"), "value"] < 1
    assert rows.loc[("ad", "edema", "auroc"), "difference"] > 0
    assert rows.loc[("vanilla", "edema"), "difference"].isna().all()
    assert "refit causal nih: 2 in" in capfd.readouterr().err


def test_what_sources_said_becomes_targets_by_the_policy(flags):
    """12 test images: 3 in doubt of edema; of a mass only those with one are judged."""
    run(flags)
    rows = tables.DOWNSTREAM.read(Path("found.parquet")).set_index(["variant", "label", "metric"])
    edema, mass = (rows.loc[("vanilla", label, "auroc")] for label in ("edema", "mass"))
    assert edema["n"] == 9
    assert mass["n"] == mass["n_positive"] > 0
    assert np.isnan(mass["value"])
    assert "needs a positive and a negative in training" in mass["note"]
    zero = {**POLICY, "unmentioned": {"default": "zero"}}
    run(flags | {"--policy": json.dumps(zero)})
    rows = tables.DOWNSTREAM.read(Path("found.parquet")).set_index(["variant", "label", "metric"])
    assert rows.loc[("vanilla", "mass", "auroc"), "n"] == 12
    assert rows.loc[("vanilla", "mass", "auroc"), "value"] >= 0


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = Path("found.parquet").read_bytes()
    run(flags)
    assert Path("found.parquet").read_bytes() == before


def test_a_label_that_the_source_does_not_have_ends_in_one_message_and_no_file(flags):
    study = json.loads(flags["--study"]) | {"downstream": ["hernia"]}
    with pytest.raises(SystemExit, match=r"error: labels: no \['hernia'\]; the data set has edema"):
        run(flags | {"--study": json.dumps(study)})
    assert not Path("found.parquet").exists()
