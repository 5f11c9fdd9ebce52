"""The stage that measures effects, from files to a file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages import effects
from cxrfair.stages._cli import call

MODELS = [("vanilla", 0), ("erm", 0)]
UNCERTAINTY = {"resamples": 20, "confidence": 0.9, "seed": 1, "min_group_size": 3}
SCORES = {  # by S shown and S ill; each image's is a little higher than the last one's
    "vanilla": {("male", "male"): 0.1, ("female", "male"): 0.4, ("female", "female"): 0.7},
    "erm": {("male", "male"): 0.1, ("female", "male"): 0.1, ("female", "female"): 0.6},
}
CUT = {"vanilla": 0.35, "erm": 0.65}


def answers(ids):
    rows = [
        {"variant": v, "seed": 0, "attribute": "sex", "shown": shown, "ill": ill, "image_id": i}
        | {"label": "edema", "score": score + n / 1000}
        for v, worlds in SCORES.items()
        for (shown, ill), score in worlds.items()
        for n, i in enumerate(ids)
    ]
    return pd.DataFrame(rows).astype({"score": "float32", "seed": "int32"})


def thresholds(value):
    row = {"label": "edema", "group": "all", "part": 0, "value": value, "share": 1.0}
    told = {"rule": "max_f1", "fitted_on": "validation", "n": 9, "n_positive": 4, "note": None}
    return pd.DataFrame([{**row, **told}]).astype({"part": "int32"})


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    cohort = made.training()["cohort"]
    tables.COHORT.write(cohort, Path("cohort"))
    tables.ANSWERS.write(answers(cohort["image_id"].head(10)), Path("answers"))
    for variant, _ in MODELS:
        tables.THRESHOLDS.write(thresholds(CUT[variant]), Path(f"{variant}.parquet"))
    study = {
        **{"datasets": ["nih"], "labels": ["edema"], "attributes": ["sex"], "seeds": [0]},
        **{"variants": {v: {"method": "erm"} for v, _ in MODELS}, "reference": "vanilla"},
        "effects": {"sex": ["male", "female"]},
    }
    return {
        **{"--name": "causal", "--dataset": "nih", "--study": json.dumps(study)},
        "--models": json.dumps(MODELS),
        "--thresholds": [f"{variant}.parquet" for variant, _ in MODELS],
        **{"--answers": "answers", "--cohort": "cohort", "--out": "found.parquet"},
        "--uncertainty": json.dumps(UNCERTAINTY),
    }


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(effects.effects, [word for words in pairs for word in words])


def test_each_model_is_measured_by_its_own_answers_and_threshold(flags, capfd):
    run(flags)
    found = tables.EFFECTS.read(Path("found.parquet"))
    assert found[["study", "dataset"]].drop_duplicates().to_numpy().tolist() == [["causal", "nih"]]
    value = found.set_index(["variant", "of", "effect"])["value"]
    # Of `erm` no score reaches 0.65, of `vanilla` all do where women are shown.
    for variant, of, numbers in [
        ("vanilla", "score", (0.3, 0.3, 0.6)),
        ("vanilla", "decision", (1, 0, 1)),
        ("erm", "score", (0.0, 0.5, 0.5)),
        ("erm", "decision", (0, 0, 0)),
    ]:
        own = value[variant][of][["direct", "indirect", "total"]]
        np.testing.assert_allclose(own, numbers, atol=1e-6)
    apart = found.set_index(["variant", "of", "effect"])["difference"]
    assert apart["erm", "decision", "direct"] == -1
    assert (found["n"] == 10).all()
    assert "effects of sex, causal nih: 2 in" in capfd.readouterr().err


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = Path("found.parquet").read_bytes()
    run(flags)
    assert Path("found.parquet").read_bytes() == before


def test_images_of_nobody_are_refused_without_naming_them(flags):
    cohort = tables.COHORT.read(Path("cohort"))
    tables.COHORT.write(cohort[cohort["image_id"] != "i07"], Path("cohort"))
    with pytest.raises(SystemExit, match="1 of 10 images are not in the cohort; allowed: 0$"):
        run(flags)
    assert not Path("found.parquet").exists()
