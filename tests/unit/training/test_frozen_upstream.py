"""A training that deploys the network it starts from, behind a generator of its own."""

import dataclasses

import numpy as np
import pytest
import torch

from cxrfair import tracking
from cxrfair.backbones import BackboneError
from cxrfair.errors import CxrfairError
from cxrfair.training import device, job, loop, scoring

CPU = torch.device("cpu")
LABELS = ("edema", "nodule")
LOG = tracking.Run(tracking.Place("study", "made", "own", 0), "")  # without a session: silent
HYPER = {"confuse": 0.4, "entropy": 0.1, "keep": 0.7, "bound": 0.05, "rate": 0.2}


def spec(task, method, hyper, groups=(), **train):
    config = task.config(**{"epochs": 2, "batch_size": 16, **train})
    return job.TrainSpec(
        method=method, hyper=hyper, groups=groups, labels=LABELS, seed=0, train=config
    )


@pytest.fixture(scope="module")
def erm(task, data, tmp_path_factory):
    saved = tmp_path_factory.mktemp("erm") / "saved"
    return job.train(spec(task, "erm", {"weighted_bce": False}), data, saved, CPU, LOG)


@pytest.fixture
def faap(task, data, erm, tmp_path):
    """Train behind the selected model of `erm`; `saved` goes on from an earlier one."""

    def trained(saved="saved", hyper=HYPER, **train):
        given = dataclasses.replace(data, upstream=job.Upstream(erm.card, erm.weights))
        wanted = spec(task, "faap", hyper, ("sex",), **train)
        return job.train(wanted, given, tmp_path / saved, CPU, LOG)

    return trained


@pytest.fixture
def fitted(monkeypatch):
    """See the methods that were fitted."""
    seen, fit = [], loop.fit

    def noted(method, *others):
        seen.append(method)
        return fit(method, *others)

    monkeypatch.setattr(loop, "fit", noted)
    return seen


def same(some, others):
    return some.keys() == others.keys() and all(torch.equal(v, others[k]) for k, v in some.items())


def scored(network, data):
    device.place(network, CPU)
    return scoring.score(network, data.store, np.arange(len(data.cohort)), CPU)


def test_weights_and_card_restore_the_predictions_of_the_fitted_network(faap, fitted, data, erm):
    made = faap()
    (method,) = fitted
    restored = scoring.restore(made.card, made.weights)
    found = scored(restored, data)
    assert torch.equal(found, scored(method.net, data))
    assert not torch.equal(found, scored(scoring.restore(erm.card, erm.weights), data))
    assert torch.isfinite(found).all()
    assert (made.card.method, made.card.settings, made.card.groups) == ("faap", HYPER, ("sex",))
    # The bound is a setting, not a weight: another one deploys another network.
    other = made.card.model_copy(update={"settings": HYPER | {"bound": 0.5}})
    assert not torch.equal(found, scored(scoring.restore(other, made.weights), data))


def test_what_was_deployed_is_deployed_again_to_the_last_bit(faap, erm):
    made = faap(precision="fp32", accumulate=2)
    body = {k.removeprefix("body."): v for k, v in made.weights.items() if k.startswith("body.")}
    assert same(body, erm.weights)
    generators = [
        [v for k, v in weights.items() if k.startswith("generator.")]
        for weights in (made.weights, faap("longer", epochs=3, select="last").weights)
    ]
    assert not any(map(torch.equal, *generators))


def test_a_stopped_training_goes_on_to_the_same_bytes(faap, monkeypatch):
    whole = faap("whole")
    closed = loop.Training._close

    def stop(training, entries):
        closed(training, entries)
        raise InterruptedError

    monkeypatch.setattr(loop.Training, "_close", stop)
    with pytest.raises(InterruptedError):
        faap("parts")
    monkeypatch.setattr(loop.Training, "_close", closed)
    parts = faap("parts")
    assert parts.conditions.resumed == 1
    assert same(whole.weights, parts.weights)
    assert same(whole.early, parts.early)


def test_what_each_player_lost_is_in_the_history(faap):
    history = faap().history
    names = set(history["name"])
    assert {"train_loss", "train_discriminator_loss", "validation_auroc"} <= names
    assert np.isfinite(history["value"]).all()


@pytest.mark.parametrize("changed", [{"backbone": "test_vit"}, {"channels": 3}], ids=str)
def test_a_backbone_that_is_not_the_upstreams_is_refused(faap, fitted, changed):
    with pytest.raises(CxrfairError, match=r"train\.backbone: the upstream .* upstream variant"):
        faap(**changed)
    assert not fitted


def test_weights_that_nobody_has_are_refused_as_ever(faap):
    with pytest.raises(BackboneError):
        faap(backbone="no_such_network")
