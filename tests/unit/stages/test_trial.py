"""Trials of settings and the choice among them, from files to files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair import tables
from cxrfair.stages import trial as stage
from cxrfair.stages._cli import as_json, call
from cxrfair.stages.choose import choose
from cxrfair.stages.train import train
from cxrfair.training.guards import LossError

TABLES = {
    "listed": tables.TRAINING_LIST,
    "cohort": tables.COHORT,
    "targets": tables.TARGETS,
    "splits": tables.SPLITS,
    "index": tables.STORE_INDEX,
}
OPTIMISER = {"kind": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-4}
SPEC = {
    "method": "group_dro",
    "hyper": {"step_size": 0.1},
    "groups": ["sex"],
    "labels": ["edema", "nodule"],
    "seed": 0,
    "train": {
        "backbone": "test_resnet",
        "pretrained": "none",
        "channels": 1,
        "epochs": 1,
        "batch_size": 6,
        "accumulate": 1,
        "processes": 1,
        "precision": "auto",
        "mlp": {"hidden": [8], "dropout": 0.0},
        "compile": False,
        "optimiser": OPTIMISER,
        "schedule": {"kind": "cosine", "warmup_epochs": 0.0},
        "clip_norm": None,
        "validation": {"measure": "auroc", "images": 100, "patience_epochs": None},
        "select": "last",
        "early_epochs": 1,
        "checkpoint_steps": 5,
        "threads": 1,
        "augment": {
            "flip": 0.5, "rotation_degrees": 5.0, "shift": 0.05, "intensity": 0.1, "crop": 0.1
        },
    },
}  # fmt: skip
DRAWING = {"seed": 5, "tuned": ["settings", "train"], "settings": {}, "train": {}}
TESTED = 4  # of the validation images of the made-up study


@pytest.fixture
def frames(made):
    """Tables of a training, of whose validation images the last few are test images."""
    found = made.training()
    splits = found["splits"].copy()
    held_out = splits.index[splits["fold"] == "validation"]
    splits.loc[held_out[-TESTED:], "fold"] = "test"
    return found | {"splits": splits}


@pytest.fixture
def flags(frames, tmp_path, monkeypatch):
    """What every stage that trains reads, under the names of its arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exactly = torch.are_deterministic_algorithms_enabled()
    write(frames)
    found = {name: name for name in TABLES} | {"pixels": "pixels.npy", "spec": json.dumps(SPEC)}
    found |= {"study": "s", "dataset": "d", "variant": "v"}
    yield {**found, "upstream": (), "text": (), "masks": ()}
    torch.use_deterministic_algorithms(exactly)


def write(frames):
    for name, table in TABLES.items():
        table.write(frames[name], Path(name))
    np.save("pixels.npy", frames["pixels"])


def words(flags):
    said = []
    for name, value in flags.items():
        several = value if isinstance(value, tuple) else (value,)
        said += [f"--{name.replace('_', '-')}", *several]
    return said


def run(flags, number=1, **changes):
    """Run a trial; return its predictions and what was drawn."""
    drawing = json.dumps(DRAWING | {"draw": number} | changes)
    made = {"predictions": f"{number}.parquet", "settings": f"{number}.json"}
    call(stage.trial, words(flags | made | {"drawing": drawing}))
    told = json.loads(Path(made["settings"]).read_text())
    return tables.PREDICTIONS.read(Path(made["predictions"])), told


def held_out(frames, fold="validation"):
    splits = frames["splits"]
    return set(splits.loc[splits["fold"] == fold, "image_id"])


def test_a_trial_scores_validation_images_and_no_others(flags, frames):
    scores, told = run(flags)
    assert set(scores["image_id"]) == held_out(frames)
    assert set(scores["fold"]) == {"validation"}
    assert len(scores) == 2 * len(held_out(frames))
    assert told["draw"] == 1
    assert told["note"] is None
    assert set(told["settings"]) == {"step_size"}
    assert set(told["train"]["optimiser"]) == {"learning_rate", "weight_decay"}
    assert not list(Path(".cxrfair/checkpoints").glob("*.safetensors"))


def test_nothing_of_a_test_image_changes_a_trial(flags, frames):
    before = run(flags)
    tested = frames["index"]["image_id"].isin(held_out(frames, "test"))
    pixels = frames["pixels"].copy()
    pixels[frames["index"].loc[tested, "row"].astype(int)] = 7
    targets = frames["targets"]
    other = targets["image_id"].isin(held_out(frames, "test"))
    flipped = targets["target"].mask(other, 1 - targets["target"])
    write(frames | {"pixels": pixels, "targets": targets.assign(target=flipped)})
    after = run(flags)
    pd.testing.assert_frame_equal(before[0], after[0])
    assert before[1] == after[1]


def test_draws_differ_and_each_is_the_same_twice(flags):
    zero, one, two, again = run(flags, 0), run(flags, 1), run(flags, 2), run(flags, 1)
    assert zero[1]["settings"] == {"step_size": 0.1}
    assert zero[1]["train"] == {"optimiser": {"learning_rate": 1e-3, "weight_decay": 1e-4}}
    assert one[1] != two[1]
    assert not np.array_equal(one[0]["score"], two[0]["score"])
    pd.testing.assert_frame_equal(one[0], again[0])


def test_what_a_variant_sets_itself_stays_so(flags):
    own = {"settings": {"step_size": 0.1}, "train": {"optimiser": {"weight_decay": 1e-4}}}
    _, told = run(flags, **own)
    assert told["settings"] == {}
    assert set(told["train"]["optimiser"]) == {"learning_rate"}


def test_two_processes_train_one_draw_and_one_of_them_scores(flags, frames):
    spec = SPEC | {"train": SPEC["train"] | {"processes": 2}}
    drawing = json.dumps(DRAWING | {"draw": 1})
    given = {"spec": json.dumps(spec), "drawing": drawing, "predictions": "2p", "settings": "2s"}
    launched = [sys.executable, "-m", "cxrfair.launch", "--processes", "2", "cxrfair.stages.trial"]
    subprocess.run([*launched, *words(flags | given)], check=True, timeout=120)
    pair, (alone, told) = tables.PREDICTIONS.read(Path("2p")), run(flags)
    assert set(pair["image_id"]) == held_out(frames)
    assert json.loads(Path("2s").read_text()) == told
    np.testing.assert_allclose(pair["score"], alone["score"], atol=1e-3)


@pytest.mark.parametrize("where", ["training", "scores"])
def test_a_draw_that_does_not_stay_finite_says_so_and_stops_nothing(flags, monkeypatch, where):
    def broken(*_):
        raise LossError("train: a loss is not finite")

    if where == "training":
        monkeypatch.setattr(stage._training.Ready, "train", broken)
    else:
        monkeypatch.setattr(stage.inference.scoring, "score", lambda *_: torch.full((8, 2), np.nan))
    scores, told = run(flags)
    assert len(scores) == 0
    assert told["note"] == stage.BROKEN
    assert set(told["settings"]) == {"step_size"}


STUDY = {
    "datasets": ["d"], "labels": ["edema", "nodule"], "attributes": ["sex"], "reference": "v",
    "variants": {"v": {"method": "group_dro", "groups": ["sex"]}}, "seeds": [0],
}  # fmt: skip


def chosen(drawn, rule="overall"):
    """Run the choice among (number, scores, note); return its table and the chosen settings."""
    files = []
    for number, scores, note in drawn:
        files.append((f"{number}.parquet", f"{number}.json"))
        tables.PREDICTIONS.write(scores, Path(files[-1][0]))
        values = {"settings": {"step_size": number / 10}, "train": {}}
        Path(files[-1][1]).write_text(as_json({"draw": number, "note": note, **values}))
    predictions, settings = zip(*files, strict=True)
    flags = {"name": "s", "study": json.dumps(STUDY), "rule": rule, "predictions": predictions}
    flags |= {"settings": settings, "cohort": "cohort", "search": "search", "chosen": "chosen"}
    call(choose, words(flags))
    return tables.SEARCH.read(Path("search")), json.loads(Path("chosen").read_text())


def scored(frames, wrong):
    """Perfect scores of validation images, but for some positives that are last."""
    targets = frames["targets"]
    rows = targets[targets["image_id"].isin(held_out(frames))].reset_index(drop=True)
    positive = rows.index[rows["target"] == 1]
    score = rows["target"].astype("float32")
    score[positive[:wrong]] = -1
    return rows.assign(fold="validation", score=score)


def test_the_best_on_validation_is_chosen_and_every_draw_is_told(flags, frames):
    del flags
    drawn = [(n, scored(frames, wrong), None) for n, wrong in ((0, 2), (1, 0), (2, 1))]
    found, settings = chosen(drawn)
    assert settings == {"settings": {"step_size": 0.1}, "train": {}}
    assert found["draw"].tolist() == [0, 1, 2]
    assert found["chosen"].tolist() == [False, True, False]
    assert found.loc[1, "overall"] == 1
    assert [json.loads(text)["settings"]["step_size"] for text in found["settings"]] == [
        0,
        0.1,
        0.2,
    ]
    assert set(found["rule"]) == {"overall"}


def test_the_order_of_the_files_does_not_matter(flags, frames):
    del flags
    drawn = [(n, scored(frames, wrong), None) for n, wrong in ((2, 0), (0, 1), (1, 0))]
    found, settings = chosen(drawn)
    assert settings["settings"] == {"step_size": 0.1}  # equal to 2, and listed first
    assert found["draw"].tolist() == [0, 1, 2]


def test_a_draw_that_broke_is_told_and_never_chosen(flags, frames):
    del flags
    nothing = tables.PREDICTIONS.empty()
    found, settings = chosen([(0, nothing, "broken"), (1, scored(frames, 3), None)])
    assert settings["settings"] == {"step_size": 0.1}
    assert found["note"].tolist()[0] == "broken"
    assert np.isnan(found.loc[0, "overall"])
    found, settings = chosen([(0, nothing, "broken"), (1, nothing, "broken")])
    assert settings["settings"] == {"step_size": 0}
    assert found["chosen"].tolist() == [True, False]
    assert found.loc[0, "note"].startswith("broken; nothing to choose by is defined")


def test_a_training_takes_what_was_chosen_and_its_card_says_so(flags):
    settled = {"settings": {"step_size": 0.7}, "train": {"optimiser": {"learning_rate": 0.002}}}
    Path("chosen").write_text(as_json(settled))
    optimiser = OPTIMISER | {"learning_rate": 0.002}
    own = SPEC | {"hyper": {"step_size": 0.7}, "train": SPEC["train"] | {"optimiser": optimiser}}
    runs = {"plain": {}, "searched": {"chosen": ("chosen",)}, "written": {"spec": json.dumps(own)}}
    for name, given in runs.items():
        made = {"weights": name, "early": "e", "history": "h", "repeats": "r"}
        made |= {"card": f"{name}.json", "made_with": f"{name}.env", "chosen": ()}
        call(train, words(flags | made | given))
    plain, searched, written = (Path(name).read_bytes() for name in runs)
    assert searched == written  # as if params.yaml had said so
    assert searched != plain
    assert json.loads(Path("searched.json").read_text())["settings"] == {"step_size": 0.7}
    assert "dvc.md5.chosen" in json.loads(Path("searched.env").read_text())
    assert "dvc.md5.chosen" not in json.loads(Path("plain.env").read_text())
