"""What a method may look at before its first step: once, in evaluation mode, not augmented."""

import dataclasses

import numpy as np
import pytest
import torch

from cxrfair import tracking
from cxrfair.methods import Listed, Method
from cxrfair.methods._method import NoConfig
from cxrfair.training import batches, job, loop, scoring

CPU = torch.device("cpu")
LABELS = ("edema", "nodule")
LOG = tracking.Run(tracking.Place("study", "made", "own", 0), "")
ASKED = ("survey", "repeats", "chances")


class Spy(Method[NoConfig]):
    """Notes in what order, how often and of what it is asked."""

    source, needs = "this test", "erm@early"

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = []

    def survey(self, listed):
        self.asked.append(("survey", listed))

    def repeats(self, listed):
        self.asked.append(("repeats", listed))
        return np.where(listed.target[:, 0] == 1, 2, 1)

    def chances(self, listed):
        self.asked.append(("chances", listed))
        return np.linspace(1, 2, len(listed.target))

    def turns(self, batch):
        self.asked.append(("turns", batch))
        yield from super().turns(batch)


@pytest.fixture
def spec(task):
    """Make what decides a training; its augmentation is as strong as can be."""

    def made(method, **train):
        augment = {"flip": 1.0, "rotation_degrees": 30.0, "shift": 0.3, "intensity": 0.5, "crop": 0}
        config = task.config(**{"epochs": 2, **train})
        augmented = type(config.augment).model_validate(augment)
        config = config.model_copy(update={"augment": augmented})
        return job.TrainSpec(
            method=method, hyper={}, groups=(), labels=LABELS, seed=0, train=config
        )

    return made


@pytest.fixture
def erm(spec, data, tmp_path):
    """Train the network to start from, plain; return it as the stage reads it."""
    given = spec("erm").model_copy(update={"hyper": {"weighted_bce": False}})
    made = job.train(given, data, tmp_path / "erm", CPU, LOG)
    return job.Upstream(made.card, made.early)


@pytest.fixture
def spied(monkeypatch, spec, data, erm, tmp_path):
    """Train the spy once (again from where it was with the same name); return it and its run."""
    found, kind, fit = [], job.methods.get, loop.fit

    def noted(method, run, *others):
        found.append((method, run))
        return fit(method, run, *others)

    def trained(saved="kept", **changed):
        with monkeypatch.context() as patched:
            patched.setattr(job.methods, "get", lambda name: Spy if name == "spy" else kind(name))
            patched.setattr(loop, "fit", noted)
            of = dataclasses.replace(data, upstream=erm, **changed)
            job.train(spec("spy"), of, tmp_path / saved, CPU, LOG)
        return found[-1]

    return trained


def test_it_is_asked_once_each_before_the_first_step(spied):
    method, _ = spied()
    order = [what for what, _ in method.asked]
    assert sorted(order[:3]) == sorted(ASKED)
    assert order[0] == "survey"
    assert set(order[3:]) == {"turns"}
    assert len({id(listed) for what, listed in method.asked if what in ASKED}) == 1


def test_a_run_that_goes_on_asks_anew_and_of_the_same(spied):
    first, second = (spied()[0].asked[0][1] for _ in range(2))
    for field in dataclasses.fields(Listed):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def test_the_list_is_the_training_list_row_by_row(spied, data):
    method, run = spied()
    listed = method.asked[0][1]
    np.testing.assert_array_equal(listed.target, run.train.target)
    np.testing.assert_array_equal(listed.group, run.train.group)
    assert listed.labels == LABELS
    training = data.splits.loc[data.splits["fold"] == "train", "image_id"]
    assert list(run.images) == list(training)


def test_logits_are_of_the_frozen_network_in_evaluation_mode_without_augmentation(
    spied, data, erm, monkeypatch
):
    seen, score = [], job.scoring.score

    def noted(net, store, rows, *others):
        modes = []
        hooks = [m.register_forward_hook(_note(modes)) for m in net.modules()]
        found = score(net, store, rows, *others)
        for hook in hooks:
            hook.remove()
        seen.append((net, rows, modes))
        return found

    monkeypatch.setattr(job.scoring, "score", noted)
    method, run = spied()
    ((net, rows, modes),) = [each for each in seen if each[0] is method.upstream]
    assert rows.tolist() == run.train.row.tolist()
    assert modes
    assert not any(modes)
    assert not any(p.requires_grad for p in net.parameters())
    # The pixels as they are stored, through the weights that were read.
    plain = scoring.restore(erm.card, erm.weights).eval()
    pixels = data.store.read(run.train.row)
    with torch.no_grad():
        expected = plain(torch.tensor(pixels[:, None] / 255, dtype=torch.float32))
    np.testing.assert_allclose(method.asked[0][1].logit, expected, rtol=1e-4, atol=1e-5)


def test_the_network_that_is_trained_sees_augmented_images(spied):
    """So that the test above could fail: the same rows look otherwise to what learns."""
    method, run = spied()
    _, batch = next(entry for entry in method.asked if entry[0] == "turns")
    rows = run.train.row[batch.index.numpy()]
    plain = next(iter(batches.plain(run.store, iter([rows]), CPU)))
    assert not torch.allclose(plain, batch.image, atol=0.05)


def test_repeats_and_chances_arrive_at_the_engine(spied, data):
    heavy = data.listed.assign(weight=np.arange(1.0, len(data.listed) + 1))
    method, run = spied("weighed", listed=heavy)
    listed = method.asked[0][1]
    np.testing.assert_allclose(
        run.train.weight, np.arange(1, len(heavy) + 1) * np.linspace(1, 2, len(heavy))
    )
    assert run.repeats.tolist() == np.where(listed.target[:, 0] == 1, 2, 1).tolist()


def _note(modes):
    def hook(module, *_):
        modes.append(module.training)

    return hook
