"""Promises every head keeps; a new one is under test the moment its file exists."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from cxrfair import heads, ranges
from cxrfair.config import ConfigError
from cxrfair.heads import Fitted, Known, Material, Trials

NAMES = heads.names()
LEARNING = {
    **{"learning_rate": 0.01, "weight_decay": 0.001, "batch_size": 16, "epochs": 1},
    "weighted_bce": True,
}
SETTINGS = {
    "finetune": {**LEARNING, "images": 60},
    "dfr": {**LEARNING, "per_group": 20},
    "fair_class_balanced": {**LEARNING, "per_group": 20, "alpha": 1, "denominator": "group"},
    "dfr_logreg": {"strengths": [1.0, 0.1], "fits": 2, "trials": 50},
}
LABELS, GROUPS = ("no_finding", "edema"), ("a", "b", "c")
TRIALS = Trials(3, 3, torch.device("cpu"))


def known(n, seed):
    """Images whose first two features say their labels; of few the labels are missing."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 2)) < [0.5, 0.3]).astype(np.float32)
    x = rng.normal(size=(n, 6))
    x[:, :2] += 4 * target
    target[rng.random((n, 2)) < 0.05] = np.nan
    return Known(x.astype(np.float32), target, np.arange(n) % 3)


MATERIAL = Material(LABELS, GROUPS, known(150, 0), known(150, 1))


def config(name, **more):
    return heads.get(name).Config.parse(json.dumps({**SETTINGS[name], **more}), name)


def fitted(name, material=MATERIAL, trials=TRIALS):
    found: Fitted = heads.get(name).fit(material, config(name), trials)
    return found


def logits(found, features):
    return np.einsum("tkd,nd->tnk", found.weight, features) + found.bias[:, None]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_comes_from_and_what_its_settings_mean(name):
    head = heads.get(name)
    assert head.SOURCE == head.SOURCE.strip() != ""
    assert isinstance(head.USES_GROUPS, bool)
    assert all(field.description for field in head.Config.model_fields.values())
    for field in ("Fails when", "Here", "Raises"):
        assert f"{field}\n    ---" in head.fit.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_ranges_of_a_search_hold_values_that_are_allowed(name):
    for setting, limits in ranges.of(heads.get(name).Config).items():
        values = limits.values if isinstance(limits, ranges.Among) else (limits.low, limits.high)
        for value in values:
            assert getattr(config(name, **{setting: value}), setting) == value


@pytest.mark.parametrize("name", NAMES)
def test_each_trial_is_a_head_of_finite_numbers_of_its_own(name):
    found = fitted(name)
    assert found.weight.shape == (3, 2, 6)
    assert found.bias.shape == (3, 2)
    assert found.weight.dtype == found.bias.dtype == np.float32
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.bias).all()
    assert (found.weight[0] != found.weight[1]).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_hangs_on_its_seed_and_number_alone(name):
    three, seven = fitted(name), fitted(name, trials=dataclasses.replace(TRIALS, count=7))
    np.testing.assert_allclose(three.weight, seven.weight[:3], atol=1e-6)
    other = fitted(name, trials=dataclasses.replace(TRIALS, seed=4))
    assert (other.weight != three.weight).any()


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_same_is_the_same_bytes(name):
    one, other = fitted(name), fitted(name)
    assert one.weight.tobytes() == other.weight.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()
    assert one.notes == other.notes


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is_given_stays_as_it_was(name):
    given = copy.deepcopy(MATERIAL)
    fitted(name, given)
    for fold in ("train", "validation"):
        for part in ("features", "target", "group"):
            was, now = (getattr(getattr(m, fold), part) for m in (MATERIAL, given))
            np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_features_say(name, monkeypatch):
    """Scores of positives are above those of negatives in nine of ten pairs, for each label."""
    monkeypatch.setitem(SETTINGS, name, {**SETTINGS[name], **_longer(name)})
    unseen = known(300, 2)
    for score in logits(fitted(name), unseen.features):
        for k in range(2):
            y = unseen.target[:, k]
            above = np.subtract.outer(score[y == 1, k], score[y == 0, k]) > 0
            assert above.mean() > 0.9


def _longer(name):
    return {"epochs": 40} if "epochs" in SETTINGS[name] else {}


@pytest.mark.parametrize("name", NAMES)
def test_only_a_head_that_uses_groups_looks_at_them(name):
    mixed = np.random.default_rng(0).permutation(150) % 3
    parts = {
        f: dataclasses.replace(getattr(MATERIAL, f), group=mixed) for f in ("train", "validation")
    }
    same = (
        fitted(name).weight == fitted(name, dataclasses.replace(MATERIAL, **parts)).weight
    ).all()
    assert same != heads.get(name).USES_GROUPS


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_setting_is_refused(name):
    with pytest.raises(ConfigError, match=f"params.yaml {name}.trails: no such setting"):
        config(name, trails=1)
