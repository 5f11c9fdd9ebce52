"""What the stages that train read: masks are part of what a training is made of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrfair import tables
from cxrfair.methods.group_dro import GroupDro
from cxrfair.stages import _training
from cxrfair.stages._training import Inputs
from cxrfair.tracking import Place
from cxrfair.training.job import TrainSpec

NAMES = ("listed", "cohort", "targets", "splits", "index")
PLACE = Place("s", "d", "v", 0)
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
        "optimiser": {"kind": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-4},
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


@pytest.fixture
def inputs(made, tmp_path, monkeypatch):
    """Files of a training, whose list guides some images, and masks."""
    monkeypatch.chdir(tmp_path)
    frames = made.training()
    pixels, index = frames.pop("pixels"), frames["index"]
    np.save("pixels.npy", pixels)
    guided = np.where(np.arange(len(frames["listed"])) % 2, '["edema"]', None)
    frames["listed"] = frames["listed"].assign(guided=guided)
    for name, frame in frames.items():
        table = {"index": "STORE_INDEX", "listed": "TRAINING_LIST"}.get(name, name.upper())
        getattr(tables, table).write(frame, Path(name))
    rows = frames["splits"][["image_id", "fold"]].assign(label="edema", row=np.arange(len(index)))
    tables.MASK_INDEX.write(rows, Path("places"))
    np.save("masks.npy", (pixels > 127).astype(np.uint8))
    paths = (Path(name) for name in ("listed", "cohort", "targets", "splits", "pixels.npy"))
    return Inputs(
        *paths, Path("index"), upstream=(), text=(), masks=(Path("masks.npy"), Path("places"))
    )


@pytest.fixture
def spec():
    return TrainSpec.parse(json.dumps(SPEC), "spec")


def test_masks_are_read_and_hashed_and_other_masks_are_another_training(inputs, spec):
    data = inputs.read()
    assert data.guidance.values.shape == (48, 32, 32)
    assert len(data.guidance.index) == 48
    before = inputs.hashes(spec)
    assert {"masks", "mask_index"} <= set(before)
    name = _training._name("train", PLACE, spec, before)
    changed = np.load("masks.npy")
    changed[0, 0, 0] ^= 1
    np.save("masks.npy", changed)
    after = inputs.hashes(spec)
    assert {what for what in before if before[what] != after[what]} == {"masks"}
    assert _training._name("train", PLACE, spec, after) != name


def test_without_masks_nothing_of_them_is_read_or_hashed(inputs, spec):
    plain = Inputs(**{**vars(inputs), "masks": ()})
    assert plain.read().guidance is None
    assert set(plain.hashes(spec)) == set(NAMES)


def test_a_training_is_guided_by_them(inputs, spec, monkeypatch):
    seen, turns = [], GroupDro.turns

    def noted(method, batch):
        seen.append(batch)
        return turns(method, batch)

    monkeypatch.setattr(GroupDro, "reads_masks", True)
    monkeypatch.setattr(GroupDro, "turns", noted)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exactly = torch.are_deterministic_algorithms_enabled()
    with _training.ready("train", inputs, spec, PLACE) as ready:
        ready.train(spec)
    torch.use_deterministic_algorithms(exactly)
    assert sum(int(batch.guided.sum()) for batch in seen) == 18
