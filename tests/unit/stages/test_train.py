"""The train stage as users run it: a command that may be stopped at any moment and run again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.stages.train import train

TABLES = {
    "listed": tables.TRAINING_LIST,
    "cohort": tables.COHORT,
    "targets": tables.TARGETS,
    "splits": tables.SPLITS,
    "index": tables.STORE_INDEX,
}
MADE = (
    *("model.safetensors", "early.safetensors", "model.json", "history.parquet"),
    "repeats.parquet",
)
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
        "epochs": 3,
        "batch_size": 6,
        "accumulate": 1,
        "processes": 1,
        "precision": "auto",
        "mlp": {"hidden": [8], "dropout": 0.0},
        "compile": False,
        "optimiser": {"kind": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-4},
        "schedule": {"kind": "cosine", "warmup_epochs": 0.0},
        "clip_norm": None,
        "validation": {"measure": "auroc", "images": 100, "patience_epochs": None},
        "select": "last",
        "early_epochs": 1,
        "checkpoint_steps": 1,
        "threads": 1,
        "augment": {
            "flip": 0.5, "rotation_degrees": 5.0, "shift": 0.05, "intensity": 0.1, "crop": 0.1
        },
    },
}  # fmt: skip
ERM = {"method": "erm", "hyper": {"weighted_bce": False}, "groups": []}
TWO = {"processes": 2}


class Training:
    """A folder in which one training runs, as often as it takes."""

    def __init__(self, folder, inputs, train=None, upstream=(), **changes):
        folder.mkdir()
        self.folder = folder
        self.spec = SPEC | changes | {"train": SPEC["train"] | (train or {})}
        made = zip(("weights", "early", "card", "history", "repeats"), MADE, strict=True)
        flags = {name: str(inputs / f"{name}.parquet") for name in TABLES}
        flags |= {"pixels": str(inputs / "pixels.npy"), "spec": json.dumps(self.spec)}
        flags |= {"study": "s", "dataset": "d", "variant": "v", **dict(made)}
        flags["made-with"] = "environment.json"
        words = [word for name, value in flags.items() for word in (f"--{name}", value)]
        self.words = [*words, "--text", "--chosen", "--masks", "--upstream", *map(str, upstream)]

    def start(self, cores=None):
        processes = str(self.spec["train"]["processes"])
        launched = [sys.executable, "-m", "cxrfair.launch", "--processes", processes]
        process = subprocess.Popen(
            [*launched, "cxrfair.stages.train", *self.words],
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        if cores:
            os.sched_setaffinity(process.pid, cores)
        return process

    def finish(self, cores=None):
        process = self.start(cores)
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        return said

    def stop(self, number, times):
        """Send a signal once the checkpoint has been written so often; return what was said."""
        process = self.start()
        seen, until = set(), time.monotonic() + 100
        while len(seen) < times:
            assert process.poll() is None, f"it ended before {times}: {process.stderr.read()}"
            assert time.monotonic() < until, f"{len(seen)} checkpoints"
            seen |= {path.stat().st_mtime_ns for path in self.saved() if path.exists()}
            time.sleep(0.001)
        process.send_signal(number)
        said = process.communicate(timeout=100)[1]
        assert process.returncode not in {0, None}
        assert self.saved()
        assert not (self.folder / MADE[0]).exists()
        return process.returncode, said

    def saved(self):
        return list((self.folder / ".cxrfair" / "checkpoints").glob("*.safetensors"))

    def bytes(self):
        return {name: (self.folder / name).read_bytes() for name in MADE}

    def resumed(self):
        return json.loads((self.folder / "environment.json").read_text())["resumed"]

    def repeats(self):
        return tables.DRAWN.read(self.folder / "repeats.parquet")["repeats"].tolist()

    def curve(self, name):
        rows = tables.HISTORY.read(self.folder / "history.parquet")
        return rows[rows["name"] == name].sort_values("epoch")["value"].to_numpy()


@pytest.fixture(scope="module")
def inputs(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    frames = made.training()
    np.save(folder / "pixels.npy", frames.pop("pixels"))
    for name, frame in frames.items():
        TABLES[name].write(frame, folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(inputs, tmp_path_factory):
    whole = Training(tmp_path_factory.mktemp("whole") / "run", inputs)
    whole.said = whole.finish()
    return whole


def test_it_leaves_what_it_promises_and_no_checkpoint(uninterrupted):
    assert {path.name for path in uninterrupted.folder.iterdir()} == {
        *MADE, "environment.json", ".cxrfair"
    }  # fmt: skip
    assert uninterrupted.saved() == []
    assert uninterrupted.resumed() == "0"
    made_with = json.loads((uninterrupted.folder / "environment.json").read_text())
    assert made_with.items() >= {"threads": "1", "processes": "1", "seed": "0"}.items()
    assert {f"dvc.md5.{name}" for name in TABLES} <= set(made_with)
    assert "epoch 3 of 3" in uninterrupted.said


@pytest.fixture(scope="module")
def killed(inputs, tmp_path_factory):
    """A training that was killed at a random moment."""
    cut = Training(tmp_path_factory.mktemp("killed") / "run", inputs)
    cut.moment = random.SystemRandom().randint(1, 15)
    status, _ = cut.stop(signal.SIGKILL, cut.moment)
    assert status == -signal.SIGKILL
    return cut


def test_killed_at_a_random_moment_and_run_again_it_makes_the_same_bytes(
    uninterrupted, killed, inputs, tmp_path
):
    again = Training(tmp_path / "run", inputs)
    shutil.copytree(killed.folder, again.folder, dirs_exist_ok=True)
    said = again.finish()
    assert "a stopped run goes on after epoch" in said
    assert again.bytes() == uninterrupted.bytes(), f"killed after {killed.moment} checkpoints"
    assert again.resumed() == "1"
    assert again.saved() == []


def test_a_run_of_other_settings_does_not_resume_from_it(killed, inputs, tmp_path):
    other = Training(tmp_path / "run", inputs, train={"epochs": 1})
    shutil.copytree(killed.folder, other.folder, dirs_exist_ok=True)
    said = other.finish()
    assert "goes on" not in said
    assert other.resumed() == "0"
    assert [path.name for path in other.saved()] == [path.name for path in killed.saved()]


def test_asked_to_stop_it_says_where_and_goes_on_to_the_same_bytes(uninterrupted, inputs, tmp_path):
    again = Training(tmp_path / "run", inputs)
    status, said = again.stop(signal.SIGTERM, 5)
    assert status == 1
    message = said.splitlines()[-1]
    assert message.startswith("error: train: stopped by SIGTERM after epoch ")
    assert message.endswith("; the same command goes on from there")
    again.finish()
    assert again.bytes() == uninterrupted.bytes()
    assert again.resumed() == "1"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
def test_the_same_bytes_on_one_core(uninterrupted, inputs, tmp_path):
    again = Training(tmp_path / "run", inputs)
    again.finish(cores={min(os.sched_getaffinity(0))})
    assert again.bytes() == uninterrupted.bytes()


@pytest.fixture(scope="module")
def of_two(inputs, tmp_path_factory):
    """The same training by two processes."""
    pair = Training(tmp_path_factory.mktemp("pair") / "run", inputs, train=TWO)
    pair.finish()
    return pair


def close(some, others):
    for name in ("train_loss", "validation_loss", "validation_auroc"):
        np.testing.assert_allclose(some.curve(name), others.curve(name), rtol=1e-3, err_msg=name)


def test_two_processes_make_what_one_makes(uninterrupted, of_two):
    close(uninterrupted, of_two)
    made_with = json.loads((of_two.folder / "environment.json").read_text())
    assert made_with["processes"] == "2"


def test_two_processes_that_know_no_groups_make_what_one_makes(inputs, tmp_path):
    short = {"epochs": 1}
    one = Training(tmp_path / "one", inputs, train=short, **ERM)
    two = Training(tmp_path / "two", inputs, train=short | TWO, **ERM)
    one.finish()
    two.finish()
    close(one, two)


def test_two_processes_asked_to_stop_save_and_go_on_to_the_same_bytes(of_two, inputs, tmp_path):
    again = Training(tmp_path / "again", inputs, train=TWO)
    status, said = again.stop(signal.SIGTERM, 4)
    assert status == 128 + signal.SIGTERM
    assert said.count("stopped by SIGTERM after epoch") == 1
    again.finish()
    assert again.bytes() == of_two.bytes()
    assert again.resumed() == "1"


def test_a_method_starts_from_the_files_of_another(uninterrupted, inputs, tmp_path):
    card, early = (uninterrupted.folder / name for name in ("model.json", "early.safetensors"))
    jtt = {"method": "jtt", "hyper": {"upweight": 2}, "groups": []}
    made = Training(tmp_path / "run", inputs, {"epochs": 1}, (card, early), **jtt)
    made.finish()
    words = json.loads((made.folder / "environment.json").read_text())
    assert {"dvc.md5.upstream", "dvc.md5.upstream_card"} <= set(words)
    assert json.loads((made.folder / "model.json").read_text())["method"] == "jtt"
    assert set(made.repeats()) == {1, 3}


def test_what_an_epoch_takes_is_written_and_the_same_after_a_stop(uninterrupted, inputs, tmp_path):
    card, chosen = (uninterrupted.folder / name for name in ("model.json", "model.safetensors"))
    low = {"method": "low_loss", "hyper": {"share": 0.25, "q": 0.7}, "groups": []}
    whole, cut = (Training(tmp_path / n, inputs, upstream=(card, chosen), **low) for n in "ab")
    whole.finish()
    cut.stop(signal.SIGTERM, 3)
    cut.finish()
    assert cut.resumed() == "1"
    assert cut.bytes() == whole.bytes()
    assert sorted(whole.repeats()) == [0] * 9 + [1] * 27
    assert uninterrupted.repeats() == [1] * 36  # a method that takes every image once


def test_a_mistake_is_one_message(inputs, tmp_path):
    wrong = Training(tmp_path / "run", inputs, train={"epohcs": 3})
    with pytest.raises(SystemExit, match=r"error: params.yaml spec.train.epohcs: no such setting"):
        call(train, wrong.words)
