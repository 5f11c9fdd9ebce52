"""The loop on a small made task: what it learns, keeps, saves and refuses."""

import math
import os
import signal

import numpy as np
import pytest
import torch

from cxrfair.images.augment import AugmentConfig
from cxrfair.training import loop
from cxrfair.training.guards import LossError
from cxrfair.training.interrupts import InterruptedTrainingError
from cxrfair.training.step import Stepper

STILL = AugmentConfig(flip=0, rotation_degrees=0, shift=0, intensity=0, crop=0)


def fitted(task, given, saved, watch=lambda *_: None):
    torch.set_num_threads(1)
    trained = task.method(given.seed)
    return trained, loop.fit(trained, given, saved, watch)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def curve(progress, name):
    return {epoch: value for epoch, key, value in progress.history if key == name}


def test_it_learns_and_tells_of_every_epoch(task, tmp_path):
    seen = {}
    trained, progress = fitted(
        task, task.run(epochs=6), tmp_path / "s", lambda e, n: seen.update({e: n})
    )
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert seen[6]["train_loss"] < seen[1]["train_loss"]
    assert seen[1]["images_per_second"] > 0
    assert progress.best_score == max(numbers["validation_auroc"] for numbers in seen.values())
    assert same(progress.best, trained.net.state_dict())
    names = {name for _, name, _ in progress.history}
    assert names == {"train_loss", "learning_rate", "validation_loss", "validation_auroc"}


class KilledError(Exception):
    pass


@pytest.mark.parametrize("step", [1, 2, 4, 5, 9, 11])
def test_killed_at_any_step_and_resumed_is_the_same_bytes_as_uninterrupted(
    task, tmp_path, monkeypatch, step
):
    given = task.run(checkpoint_steps=2)
    whole, progress = fitted(task, given, tmp_path / "whole")
    steps = iter(range(1, 100))
    take = Stepper.step

    def killed(*arguments):
        if next(steps) > step:
            raise KilledError
        return take(*arguments)

    monkeypatch.setattr(Stepper, "step", killed)
    with pytest.raises(KilledError):
        fitted(task, given, tmp_path / "cut")
    monkeypatch.setattr(Stepper, "step", take)
    resumed, again = fitted(task, given, tmp_path / "cut")
    assert same(whole.state_dict(), resumed.state_dict())
    assert same(progress.early, again.early)
    assert progress.history == again.history
    assert (again.best_epoch, again.epoch) == (progress.best_epoch, 3)
    assert again.resumed == (1 if step >= 2 else 0)


def test_a_signal_ends_the_step_saves_and_says_where(task, tmp_path, monkeypatch):
    whole, _ = fitted(task, task.run(), tmp_path / "whole")
    steps, take = iter(range(1, 100)), Stepper.step

    def ended(*arguments):
        if next(steps) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(*arguments)

    monkeypatch.setattr(Stepper, "step", ended)
    with pytest.raises(
        InterruptedTrainingError, match="by SIGTERM after epoch 2, step 2; the same"
    ):
        fitted(task, task.run(), tmp_path / "cut")
    monkeypatch.setattr(Stepper, "step", take)
    resumed, _ = fitted(task, task.run(), tmp_path / "cut")
    assert same(whole.state_dict(), resumed.state_dict())


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(task, tmp_path):
    one, _ = fitted(task, task.run(), tmp_path / "1")
    two, _ = fitted(task, task.run(), tmp_path / "2")
    other, _ = fitted(task, task.run(seed=1), tmp_path / "3")
    assert same(one.state_dict(), two.state_dict())
    assert not same(one.state_dict(), other.state_dict())


@pytest.mark.parametrize(
    "changed",
    [
        {"epochs": 2},
        {"batch_size": 16},
        {"accumulate": 2},
        {"precision": "bf16"},
        {"optimiser": {"kind": "adamw", "learning_rate": 1e-4, "weight_decay": 1e-4}},
        {"optimiser": {"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 0.5}},
        {"optimiser": {"kind": "adam", "learning_rate": 3e-3, "weight_decay": 1e-4}},
        {"optimiser": {"kind": "sgd", "learning_rate": 3e-3, "weight_decay": 0.0, "momentum": 0.9}},
        {"schedule": {"kind": "constant", "warmup_epochs": 0.0}},
        {"schedule": {"kind": "cosine", "warmup_epochs": 0.5}},
        {"schedule": {"kind": "step", "warmup_epochs": 0.0, "every_epochs": 1, "factor": 0.5}},
        {"clip_norm": 0.01},
        {"augment": STILL},
    ],
    ids=str,
)
def test_every_setting_changes_the_result(task, tmp_path, changed):
    usual, _ = fitted(task, task.run(select="last"), tmp_path / "1")
    other, _ = fitted(task, task.run(select="last", **changed), tmp_path / "2")
    assert not same(usual.state_dict(), other.state_dict())


@pytest.mark.parametrize(
    "changed", [{"checkpoint_steps": 1}, {"early_epochs": 2}], ids=lambda c: next(iter(c))
)
def test_what_is_saved_when_does_not_change_the_result(task, tmp_path, changed):
    usual, _ = fitted(task, task.run(), tmp_path / "1")
    other, progress = fitted(task, task.run(**changed), tmp_path / "2")
    assert same(usual.state_dict(), other.state_dict())
    assert progress.early_epoch == changed.get("early_epochs", 1)


def test_a_repeated_example_is_seen_as_often_as_asked(task, tmp_path):
    given = task.run(epochs=1)
    seen = np.zeros(32, np.int64)
    repeats = np.where(np.arange(32) < 8, 3, 1)
    trained = task.method()

    def counting(batch, real=trained.turns):
        np.add.at(seen, batch.index.numpy(), 1)
        return real(batch)

    trained.turns = counting
    run = loop.Run(**{**given.__dict__, "repeats": repeats})
    loop.fit(trained, run, tmp_path / "s", lambda *_: None)
    assert seen.tolist() == repeats.tolist()


def test_select_decides_which_epoch_is_kept(task, tmp_path):
    _, best = fitted(task, task.run(epochs=6, select="best"), tmp_path / "1")
    _, last = fitted(task, task.run(epochs=6, select="last"), tmp_path / "2")
    assert last.best_epoch == 6
    scores = curve(best, "validation_auroc")
    assert scores[best.best_epoch] == max(scores.values())


def test_a_lower_loss_is_better(task, tmp_path):
    judged = {"measure": "loss", "images": 100, "patience_epochs": None}
    _, progress = fitted(task, task.run(epochs=5, validation=judged), tmp_path / "1")
    scores = curve(progress, "validation_loss")
    assert scores[progress.best_epoch] == min(scores.values())


def test_it_stops_when_nothing_gets_better_and_a_resume_stops_there_too(task, tmp_path):
    judged = {"measure": "auroc", "images": 100, "patience_epochs": 2}
    still = {"kind": "sgd", "learning_rate": 1e-12, "weight_decay": 0.0, "momentum": 0.0}
    given = task.run(epochs=9, validation=judged, optimiser=still, augment=STILL)
    _, progress = fitted(task, given, tmp_path / "1")
    assert progress.epoch == progress.best_epoch + 2 < 9
    _, again = fitted(task, given, tmp_path / "1")
    assert again.epoch == progress.epoch


def test_a_plateau_slows_learning_down(task, tmp_path):
    still = {"kind": "sgd", "learning_rate": 1e-12, "weight_decay": 0.0, "momentum": 0.0}
    plateau = {"kind": "plateau", "warmup_epochs": 0.0, "patience_epochs": 1, "factor": 0.5}
    _, progress = fitted(
        task, task.run(epochs=4, optimiser=still, schedule=plateau), tmp_path / "1"
    )
    rates = curve(progress, "learning_rate")
    assert rates[1] == rates[2] == pytest.approx(1e-12)
    assert rates[4] < rates[2]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(task, tmp_path):
    given = task.run()

    def poison(epoch, _):
        if epoch == 1:
            given.train.target[:] = np.inf

    saved = tmp_path / "saved.safetensors"
    with pytest.raises(LossError, match=r"loss is .* at epoch 2, step 1; its 8 images") as error:
        fitted(task, given, saved, poison)
    listed = (tmp_path / "saved.not_finite.csv").read_text().split()
    assert len(listed) == 9
    assert set(listed[1:]) <= set(given.images)
    assert not any(image in str(error.value).split() for image in listed[1:])
    _, progress = fitted(task, task.run(epochs=1), saved)
    assert progress.epoch == 1
    assert math.isfinite(progress.best_score)


def test_weights_that_are_not_finite_are_not_saved(task, tmp_path, monkeypatch):
    take = Stepper.step

    def spoil(self, *arguments):
        told = take(self, *arguments)
        with torch.no_grad():
            self.method.net.head.weight.fill_(math.inf)
        return told

    monkeypatch.setattr(Stepper, "step", spoil)
    with pytest.raises(LossError, match="weights are not finite after epoch 1, step 1; no state"):
        fitted(task, task.run(checkpoint_steps=1), tmp_path / "s.safetensors")
    assert not (tmp_path / "s.safetensors").exists()
