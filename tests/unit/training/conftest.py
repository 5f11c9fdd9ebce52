"""A small made task for the engine: bright images are positive."""

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair.backbones import build
from cxrfair.images.augment import AugmentConfig
from cxrfair.images.store import Store
from cxrfair.methods import Groups
from cxrfair.methods.group_dro import GroupDro, GroupDroConfig
from cxrfair.training import job
from cxrfair.training.config import TrainConfig
from cxrfair.training.examples import Examples
from cxrfair.training.loop import Run

N = 48
SETTINGS = {
    "backbone": "test_resnet",
    "pretrained": "none",
    "channels": 1,
    "epochs": 3,
    "batch_size": 8,
    "accumulate": 1,
    "processes": 1,
    "precision": "auto",
    "mlp": {"hidden": [8], "dropout": 0.0},
    "compile": False,
    "optimiser": {"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 1e-4},
    "schedule": {"kind": "cosine", "warmup_epochs": 0.0},
    "clip_norm": None,
    "validation": {"measure": "auroc", "images": 100, "patience_epochs": None},
    "select": "best",
    "early_epochs": 1,
    "checkpoint_steps": 100,
    "threads": 1,
    "augment": AugmentConfig(flip=0.5, rotation_degrees=5.0, shift=0.05, intensity=0.1, crop=0.1),
}


class Task:
    """Makes runs and methods of the made task."""

    def __init__(self, store):
        self.store = store

    def config(self, **changed):
        return TrainConfig.model_validate(SETTINGS | changed)

    def run(self, seed=0, **changed):
        rows = np.arange(N)
        return Run(
            train=examples(rows[:32]),
            validation=examples(rows[32:]),
            store=self.store,
            config=self.config(**changed),
            seed=seed,
            device=torch.device("cpu"),
            images=np.array([f"i{n}" for n in rows[:32]], dtype=object),
        )

    def method(self, seed=0):
        torch.manual_seed(seed)
        groups = Groups(("a", "b", "c"), (11, 11, 10))
        return GroupDro(build("test_resnet", "none", 2, 32), groups, GroupDroConfig(step_size=0.1))


def examples(rows):
    target = np.stack([rows % 2, (rows // 2) % 2], 1).astype(np.float32)
    target[::7, 1] = np.nan
    ones = np.ones(len(rows))
    return Examples(rows, target, (rows % 3).astype(np.int64), ones, rows.astype(np.int64))


@pytest.fixture(scope="session")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    draw = np.random.default_rng(0)
    shade = np.where(np.arange(N) % 2, 160, 90)[:, None, None]
    np.save(folder / "p.npy", (shade + draw.integers(-40, 40, (N, 32, 32))).astype(np.uint8))
    index = pd.DataFrame(
        {"image_id": [f"i{n}" for n in range(N)], "row": range(N), "quarantine": None}
    )
    return Task(Store(folder / "p.npy", index))


@pytest.fixture(scope="module")
def data(made, tmp_path_factory):
    """What a whole training reads, of the made-up study."""
    torch.set_num_threads(1)
    tables = made.training()
    pixels = tmp_path_factory.mktemp("data") / "pixels.npy"
    np.save(pixels, tables.pop("pixels"))
    return job.Data(store=Store(pixels, tables.pop("index")), upstream=None, **tables)
