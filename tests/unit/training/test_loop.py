"""The loop on a small made task: bright images are positive."""

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.images.augment import AugmentConfig
from cxrfair.images.store import Store
from cxrfair.methods import Groups
from cxrfair.methods.group_dro import GroupDro, GroupDroConfig
from cxrfair.training import loop
from cxrfair.training.examples import Examples
from cxrfair.training.loop import Run, TrainConfig

AUGMENT = AugmentConfig(flip=0.5, rotation_degrees=5.0, shift=0.05, intensity=0.1)
N = 48


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    draw = np.random.default_rng(0)
    shade = np.where(np.arange(N) % 2, 160, 90)[:, None, None]
    np.save(folder / "p.npy", (shade + draw.integers(-40, 40, (N, 32, 32))).astype(np.uint8))
    index = pd.DataFrame(
        {"image_id": [f"i{n}" for n in range(N)], "row": range(N), "quarantine": None}
    )
    return Store(folder / "p.npy", index)


def examples(rows):
    target = np.stack([rows % 2, (rows // 2) % 2], 1).astype(np.float32)
    target[::7, 1] = np.nan
    ones = np.ones(len(rows))
    return Examples(rows, target, (rows % 3).astype(np.int64), ones, rows.astype(np.int64))


def config(**changed):
    settings = {
        "backbone": "test_resnet",
        "pretrained": "none",
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "weight_decay": 1e-4,
        "schedule": "cosine",
        "select": "best",
        "threads": 1,
        "augment": AUGMENT,
    }
    return TrainConfig(**settings | changed)


def run(store, seed=0, **changed):
    rows = np.arange(N)
    return Run(
        examples(rows[:32]),
        examples(rows[32:]),
        store,
        config(**changed),
        seed,
        torch.device("cpu"),
    )


def method(seed=0):
    torch.manual_seed(seed)
    groups = Groups(("a", "b", "c"), (11, 11, 10))
    return GroupDro(build("test_resnet", "none", 2, 32), groups, GroupDroConfig(step_size=0.1))


def fitted(given, saved, watch=lambda *_: None):
    torch.set_num_threads(1)
    trained = method(given.seed)
    return trained, loop.fit(trained, given, saved, watch)


def same(one, other):
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_it_learns_and_tells_of_every_epoch(store, tmp_path):
    seen = {}
    trained, progress = fitted(
        run(store, epochs=6), tmp_path / "s", lambda e, n: seen.update({e: n})
    )
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert seen[6]["train_loss"] < seen[1]["train_loss"]
    assert progress.best_score == max(numbers["validation_auroc"] for numbers in seen.values())
    assert same(progress.best, trained.net.state_dict())


class KilledError(Exception):
    pass


def test_killed_and_resumed_is_the_same_bytes_as_uninterrupted(store, tmp_path):
    whole, progress = fitted(run(store), tmp_path / "whole")

    def kill(epoch, _):
        if epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        fitted(run(store), tmp_path / "cut", kill)
    resumed, again = fitted(run(store), tmp_path / "cut")
    assert same(whole.state_dict(), resumed.state_dict())
    assert progress.history == again.history
    assert progress.best_epoch == again.best_epoch


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(store, tmp_path):
    one, _ = fitted(run(store), tmp_path / "1")
    two, _ = fitted(run(store), tmp_path / "2")
    other, _ = fitted(run(store, seed=1), tmp_path / "3")
    assert same(one.state_dict(), two.state_dict())
    assert not same(one.state_dict(), other.state_dict())


@pytest.mark.parametrize(
    "changed",
    [
        {"epochs": 2},
        {"batch_size": 16},
        {"learning_rate": 1e-4},
        {"weight_decay": 0.5},
        {"schedule": "constant"},
        {"augment": AugmentConfig(flip=0, rotation_degrees=0, shift=0, intensity=0)},
    ],
    ids=lambda c: next(iter(c)),
)
def test_every_setting_changes_the_result(store, tmp_path, changed):
    usual, _ = fitted(run(store, select="last"), tmp_path / "1")
    other, _ = fitted(run(store, select="last", **changed), tmp_path / "2")
    assert not same(usual.state_dict(), other.state_dict())


def test_select_decides_which_epoch_is_kept(store, tmp_path):
    _, best = fitted(run(store, epochs=6, select="best"), tmp_path / "1")
    _, last = fitted(run(store, epochs=6, select="last"), tmp_path / "2")
    assert last.best_epoch == 6
    curve = {e: v for e, name, v in best.history if name == "validation_auroc"}
    assert curve[best.best_epoch] == max(curve.values())


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_epoch(store, tmp_path):
    given = run(store)

    def poison(epoch, _):
        if epoch == 1:
            given.train.target[:] = np.inf

    with pytest.raises(CxrfairError, match=r"loss is .* at epoch 2, step 0"):
        fitted(given, tmp_path / "saved", poison)
    assert (tmp_path / "saved").is_file()
