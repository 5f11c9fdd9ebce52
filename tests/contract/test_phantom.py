"""The phantom is worth training on: what can be learnt from it is what its graph says.

A ridge regression on pixels stands in for a network: it is fitted in a second and shows the same
paths. Everything here is a function of the seed, so no test passes or fails by luck.
"""

import json
import tracemalloc
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from cxrfair import phantom
from cxrfair.phantom import PhantomConfig, population, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.population import FINDINGS
from cxrfair.scales import at_scale

PARAMS = Path(__file__).parents[2] / "params.yaml"
PROFILE = Profile("study", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, laterals=False)
SIZE, CELLS = 64, 32  # drawn; shown to the probe
STRICT = 3e3  # of the ridge
EVEN = {
    "female_share": 0.5,
    "race_shares": {"white": 0.5, "black": 0.5, "hispanic": 0.0, "asian": 0.0, "other": 0.0},
}
OFF = {"sex": 0.0, "race": 0.0, "age": 0.0, "insurance": 0.0}
OFF_DIRECT = {"sex": 0.0, "race": 0.0, "age": 0.0}
COMMON = ("cardiomegaly", "consolidation", "edema", "pleural_effusion")
# Lungs, hearts and lines that a straight line through pixels can learn, where there are enough.
LEARNABLE = (*COMMON, "pneumonia", "support_devices", "atelectasis")


def _config(**changes):
    demo = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo")
    for name, value in changes.items():
        nested = isinstance(value, dict) and name != "underdiagnosis"
        demo[name] = {**demo[name], **value} if nested else value
    return PhantomConfig.parse(json.dumps(demo), "phantom")


@dataclass
class Probe:
    """A ridge regression on the pixels of the first half of the rows, judged on the second."""

    rows: pd.DataFrame
    pixels: np.ndarray

    def __post_init__(self):
        self.half = len(self.rows) // 2
        self.middle, self.scale = self.pixels[: self.half].mean(0), self.pixels[: self.half].std(0)
        self.x = self.standard(self.pixels)
        x = self.x[: self.half]
        self.solve = np.linalg.solve(x.T @ x + STRICT * np.eye(x.shape[1]), x.T)

    def standard(self, pixels):
        return (pixels - self.middle) / (self.scale + 1)

    def weights(self, target):
        y = target[: self.half].astype(float)
        return self.solve @ (y - y.mean(axis=0))

    def auroc(self, target):
        """Return the AUROC on the second half, and its standard error if there is nothing."""
        y = np.asarray(target)
        scores = (self.x @ self.weights(y))[self.half :]
        there = y[self.half :].sum()
        absent = self.half - there
        error = np.sqrt((len(y) - self.half + 1) / (12 * there * absent))
        return roc_auc_score(y[self.half :], scores), error


def _pixels(rows):
    cells = [
        pictures.grey.reshape(-1, CELLS, SIZE // CELLS, CELLS, SIZE // CELLS).mean(axis=(2, 4))
        for _, pictures in scene.batches(rows, SIZE)
    ]
    return np.concatenate(cells).reshape(len(rows), -1).astype(np.float32)


def _rows(config, do=None, path="total"):
    rows = scene.build(config, PROFILE, np.arange(config.patients), do, path)
    return rows[rows["study"] == 0].reset_index(drop=True)


def _probe(**changes):
    rows = _rows(_config(studies_per_patient=1.0, **changes))
    return Probe(rows, _pixels(rows))


# Sex and race show in pixels, by the paths that are open.


@pytest.mark.parametrize(("attribute", "value"), [("sex", "female"), ("race", "black")])
def test_pixels_tell_the_attribute_only_if_its_paths_are_open(attribute, value):
    shut = {"direct_path": OFF_DIRECT, "indirect_path": OFF, "device_path": 0.0}
    by_path = {}
    for name, paths in {"open": {"indirect_path": OFF}, "shut": shut}.items():
        probe = _probe(patients=1200, **EVEN, **paths)
        by_path[name] = probe.auroc(probe.rows[attribute] == value)
    auroc, error = by_path["open"]
    assert auroc > 0.75
    auroc, error = by_path["shut"]
    assert abs(auroc - 0.5) < 2.58 * error


def test_without_a_direct_path_pixels_tell_no_more_than_disease_does():
    """S -> Y -> X is left: pixels tell age, and less well than the findings themselves."""
    probe = _probe(patients=1600, direct_path=OFF_DIRECT, device_path=0.0)
    old = (probe.rows["age_years"] > 65).to_numpy()
    auroc, error = probe.auroc(old)
    latent = probe.rows[[*FINDINGS]].to_numpy(float)
    truth = Probe(probe.rows, latent)
    oracle, _ = truth.auroc(old)
    assert auroc > 0.5 + 2.58 * error
    assert auroc < oracle + error


# Findings can be learnt, and not perfectly.


def test_findings_are_neither_plain_nor_hidden():
    probe = _probe(patients=3000)
    aurocs = {name: probe.auroc(probe.rows[name])[0] for name in LEARNABLE}
    assert min(aurocs.values()) > 0.58, aurocs
    assert max(aurocs.values()) < 0.96, aurocs
    assert 0.7 < np.mean([*aurocs.values()]) < 0.9


# A model trained on the labels is unfair as far as the picture tells the group and labels lie.


@dataclass
class Gaps:
    """Differences in the share of the sick who are found, male less female, mean of findings."""

    truth: float  # the sick as they are
    given: float  # the sick as they were reported
    error: float


def _study(direct):
    return _config(
        patients=2000,
        studies_per_patient=1.0,
        direct_path={"sex": direct, "race": 0.0, "age": 0.0},
        device_path=0.0,
        indirect_path=OFF,
        prevalence=dict.fromkeys(COMMON, 0.25),
        **EVEN,
    )


def _missing(share):
    return _config(underdiagnosis={"female": share}, overdiagnosis=0.0, uncertain_share=0.0)


@lru_cache
def _drawn(direct):
    rows = _rows(_study(direct))
    return Probe(rows, _pixels(rows))


def _gaps(direct, missed):
    probe = _drawn(direct)
    said = reporting.report(_missing(missed), probe.rows, PROFILE.dataset)[list(COMMON)]
    labels, truth = (said == "positive").to_numpy(), probe.rows[list(COMMON)].to_numpy(bool)
    scores = probe.x @ probe.weights(labels)
    found = scores > np.quantile(scores[: probe.half], 0.75, axis=0)
    test = np.arange(len(scores)) >= probe.half
    female = (probe.rows["sex"] == "female").to_numpy()
    gaps = {}
    for name, sick in {"truth": truth, "given": labels}.items():
        rates = [
            [found[test & group & sick[:, k], k].mean() for k in range(len(COMMON))]
            for group in (~female, female)
        ]
        gaps[name] = np.mean(rates[0]) - np.mean(rates[1])
    count = (truth[test].sum(axis=0) / 2).mean() * len(COMMON)
    return Gaps(**gaps, error=np.sqrt(2 * 0.25 / count))


def test_the_sexes_are_found_alike_where_pictures_do_not_tell_them_apart():
    for missed in (0.0, 0.5):  # labels may lie: whom a model cannot see it cannot slight
        gaps = _gaps(0.0, missed)
        assert abs(gaps.truth) < 2 * gaps.error
        assert abs(gaps.given) < 2 * gaps.error


def test_gaps_grow_with_underdiagnosis_and_with_the_direct_path_it_travels_by():
    by_labels = [_gaps(1.0, missed) for missed in (0.0, 0.3, 0.6)]
    by_path = [_gaps(direct, 0.5) for direct in (0.0, 1.0, 2.0)]
    for none, some, more in (by_labels, by_path):
        assert none.truth + none.error < some.truth
        assert some.truth + none.error < more.truth
        assert none.given < some.given < more.given


# Effects of interventions are known exactly.


def test_the_direct_effect_of_an_oracle_is_nothing_and_its_total_effect_is_not():
    config = _config(patients=600)
    factual = _rows(config)
    severity = [f"{name}_severity" for name in FINDINGS]
    for do in ({"sex": "female"}, {"race": "black"}, {"age_years": 80}, {"insurance": "medicaid"}):
        direct, total = (
            (_rows(config, do, path)[severity] - factual[severity]).to_numpy()
            for path in ("direct", "total")
        )
        assert (direct == 0).all()
        assert np.abs(total).mean() > 1e-4


def test_the_direct_effect_on_a_model_of_pixels_is_not_nothing():
    """Labels miss half of women's findings: a man's score falls when he is drawn as a woman."""
    probe, config = _drawn(1.0), _study(1.0)
    said = reporting.report(_missing(0.5), probe.rows, PROFILE.dataset)[list(COMMON)]
    weights = probe.weights((said == "positive").to_numpy())
    female = _rows(config, {"sex": "female"}, "direct").tail(200)
    moved = (probe.standard(_pixels(female)) - probe.x[-200:]) @ weights
    was = probe.rows["sex"].tail(200).to_numpy()
    assert (moved[was == "female"] == 0).all()
    fell = -moved[was == "male"].mean(axis=1)
    assert fell.mean() > 4 * fell.std() / np.sqrt(len(fell))


# Size costs time, and no memory.


def test_memory_does_not_grow_with_the_population(monkeypatch, tmp_path):
    monkeypatch.setattr(population, "BLOCK", 8)
    peaks = []
    for patients in (40, 40, 160):  # the first run pays for what is loaded once
        config = _config(patients=patients, image_size=32, studies_per_patient=1.0)
        tracemalloc.start()
        phantom.write("nih_chestxray14", config, tmp_path / "x", tmp_path / "x.parquet")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]
