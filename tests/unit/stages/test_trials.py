"""The stage that judges trials, from files to a file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages import trials
from cxrfair.stages._cli import call


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given, in an empty folder: three trials of a head, one network.

    The second trial says edema as it is, the others guess; the network says it always.
    """
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    fold = np.array(["train", "test", "validation", "test"] * 12)
    tables.COHORT.write(frames["cohort"], Path("cohort"))
    tables.TARGETS.write(frames["targets"], Path("targets"))
    wide = frames["targets"].pivot(index="image_id", columns="label", values="target")
    ids, truth = wide.index, wide[["edema", "nodule"]].to_numpy(np.float32)
    guess = np.random.default_rng(0).random((3, len(ids), 2), np.float32)
    guess[1] = truth
    judged = np.flatnonzero(fold != "train")
    np.save("dfr0.npy", guess[:, judged])
    index = pd.DataFrame({"image_id": ids[judged], "fold": fold[judged]})
    tables.TRIAL_INDEX.write(index.assign(row=np.arange(len(judged))), Path("dfr0.parquet"))
    rows = [
        pd.DataFrame({"image_id": ids, "fold": fold, "label": label, "score": truth[:, k]})
        for k, label in enumerate(("edema", "nodule"))
    ]
    scored = pd.concat(rows, ignore_index=True)
    scored = scored.assign(target=scored["score"].astype("Int8"))
    tables.PREDICTIONS.write(scored, Path("erm0.parquet"))
    study = {
        **{"datasets": ["nih"], "labels": ["edema", "nodule"], "attributes": ["sex"]},
        **{"reference": "erm", "seeds": [0], "variants": {"erm": {"method": "erm"}}},
    }
    return {
        "--name": "intersectional",
        "--dataset": "nih",
        "--study": json.dumps(study),
        "--heads": '[["dfr", 0]]',
        **{"--scores": ["dfr0.npy"], "--index": ["dfr0.parquet"]},
        "--models": '[["erm", 0]]',
        "--predictions": ["erm0.parquet"],
        **{"--cohort": "cohort", "--targets": "targets"},
        "--smallest": "20",
        "--out": "found.parquet",
    }


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(trials.trials, [word for words in pairs for word in words])


def test_every_trial_is_judged_and_a_network_is_one(flags, capfd):
    run(flags)
    found = tables.TRIALS.read(Path("found.parquet"))
    auroc = found[found["metric"] == "auroc"].set_index(["variant", "trial"])["value"]
    assert list(auroc.index) == [("dfr", 0), ("dfr", 1), ("dfr", 2), ("erm", 0)]
    assert auroc["dfr", 1] == auroc["erm", 0] == 1
    assert auroc["dfr", 0] < 1
    assert found.loc[found["metric"].eq("eo_diff"), "note"].str.contains("fewer than 20").all()
    assert "trials intersectional nih: 2 in" in capfd.readouterr().err


def test_twice_the_same_is_the_same_bytes(flags):
    run(flags)
    before = Path("found.parquet").read_bytes()
    run(flags)
    assert Path("found.parquet").read_bytes() == before


def test_without_networks_heads_are_judged(flags):
    run(flags | {"--models": "[]", "--predictions": []})
    assert set(tables.TRIALS.read(Path("found.parquet"))["variant"]) == {"dfr"}


def test_scores_of_other_images_end_in_one_message_and_no_file(flags):
    index = tables.TRIAL_INDEX.read(Path("dfr0.parquet"))
    tables.TRIAL_INDEX.write(index[index["fold"] == "validation"], Path("dfr0.parquet"))
    with pytest.raises(SystemExit, match=r"error: .*'erm', 0\): its 24 test images differ"):
        run(flags)
    assert not Path("found.parquet").exists()
