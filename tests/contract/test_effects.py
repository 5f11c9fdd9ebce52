"""What the direct effect is on the phantom, and what it has to do with information and with ADF.

I(S; X | Y) = 0 says that there is no direct effect, of any model. Nothing says the converse:
neither that a model without direct effect sees pictures without the attribute, nor that ADF is 0
where the direct effect is, nor the other way round. A ridge regression on pixels stands in for a
network. Everything here is a function of the seed, so no test passes or fails by luck.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from cxrfair import comparisons
from cxrfair.effects import measure
from cxrfair.metrics import Counts
from cxrfair.phantom import PhantomConfig, reporting, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.intervention import FACTUAL, World
from cxrfair.scales import at_scale
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study

PARAMS = Path(__file__).parents[2] / "params.yaml"
PROFILE = Profile("study", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, laterals=False)
LABEL, SIZE, CELLS = "pleural_effusion", 64, 32  # the finding of which men have more; pixels
LEARNT, JUDGED = 400, 220  # patients, of one image each
STRICT = 3e3  # of the ridge
MINUS, PLUS = "male", "female"
WORLDS = {
    name: World({"sex": shown}, {"sex": ill})
    for name, (shown, ill) in {
        "base": (MINUS, MINUS),
        "shown": (PLUS, MINUS),
        "both": (PLUS, PLUS),
    }.items()
}
UNCERTAINTY = Uncertainty(resamples=200, confidence=0.95, seed=1, min_group_size=20)


def config(direct=1.0, **changes):
    """Half of the people are women; sex changes pictures, and the share with the finding."""
    demo = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo")
    own = {
        "patients": LEARNT + JUDGED,
        "studies_per_patient": 1.0,
        "direct_path": {"sex": direct, "race": 0.0, "age": 0.0},
        "device_path": 0.0,
        "indirect_path": {"sex": 3.0, "race": 0.0, "age": 0.0, "insurance": 0.0},
        "prevalence": demo["prevalence"] | {LABEL: 0.3},
        "female_share": 0.5,
        "overdiagnosis": 0.0,
        "uncertain_share": 0.0,
    }
    return PhantomConfig.parse(json.dumps({**demo, **own, **changes}), "phantom")


def rows(direct, world, people):
    return scene.build_in(config(direct), PROFILE, people, world)


def pixels(of):
    width = SIZE // CELLS
    parts = [
        pictures.grey.reshape(-1, CELLS, width, CELLS, width).mean(axis=(2, 4))
        for _, pictures in scene.batches(of, SIZE)
    ]
    return np.concatenate(parts).reshape(len(of), -1)


@dataclass
class Drawn:
    """People as they are, and those judged (the last ones) in every world: rows and pixels."""

    rows: pd.DataFrame
    pixels: np.ndarray
    worlds: dict[str, pd.DataFrame]
    pictures: dict[str, np.ndarray]

    def standard(self, pixels):
        learnt = self.pixels[:LEARNT]
        return (pixels - learnt.mean(axis=0)) / (learnt.std(axis=0) + 1)

    def learn(self, target, cells=slice(None)):
        """Return a model of some cells of pictures, (n,) scores of (n, cells) pixels."""
        x, y = self.standard(self.pixels)[:LEARNT, cells], np.asarray(target, float)[:LEARNT]
        inner = x.T @ x + STRICT * np.eye(x.shape[1])
        weights = np.linalg.solve(inner, x.T @ (y - y.mean()))
        return lambda seen: y.mean() + self.standard(seen)[:, cells] @ weights

    def scores(self, model):
        return {name: model(seen) for name, seen in self.pictures.items()}

    @property
    def ill(self):
        return self.rows[LABEL].to_numpy(bool)

    @property
    def plus(self):
        return (self.rows["sex"] == PLUS).to_numpy()

    def sex_within_labels(self):
        """Return the AUROC of a probe for sex among the sick and the well, and standard errors."""
        scores = self.learn(self.plus)(self.pixels)[LEARNT:]
        sex, found = self.plus[LEARNT:], []
        for among in (self.ill[LEARNT:], ~self.ill[LEARNT:]):
            there, absent = sex[among].sum(), (~sex[among]).sum()
            error = np.sqrt((among.sum() + 1) / (12 * there * absent))
            found.append((roc_auc_score(sex[among], scores[among]), error))
        return found


@lru_cache
def drawn(direct):
    people, last = np.arange(LEARNT + JUDGED), np.arange(LEARNT, LEARNT + JUDGED)
    factual = rows(direct, FACTUAL, people)
    worlds = {name: rows(direct, world, last) for name, world in WORLDS.items()}
    pictures = {name: pixels(of) for name, of in worlds.items()}
    return Drawn(factual, pixels(factual), worlds, pictures)


def effects(scores, cut=0.5):
    """Return value and interval of each (of, effect), as the pipeline measures them."""
    study = Study.model_validate(
        {"datasets": ("nih",), "labels": (LABEL,), "attributes": ("sex",), "reference": "model"}
        | {"variants": {"model": {"method": "erm"}}, "seeds": (0,)}
        | {"effects": {"sex": (MINUS, PLUS)}}
    )
    ids = [f"i{number}" for number in range(len(scores["base"]))]
    answers = [
        pd.DataFrame({"image_id": ids, "score": scores[name]}).assign(
            shown=world.shown["sex"], ill=world.ill["sex"]
        )
        for name, world in WORLDS.items()
    ]
    named = {"variant": "model", "seed": 0, "attribute": "sex", "label": LABEL}
    told = pd.concat(answers, ignore_index=True).assign(**named)
    thresholds = pd.DataFrame({"label": [LABEL], "group": "all", "value": cut, "note": None})
    cohort = pd.DataFrame({"image_id": ids, "patient_id": ids})
    models = {("model", 0): thresholds}
    found = measure(("causal", "nih"), study, told, models, cohort, UNCERTAINTY)
    return found.set_index(["of", "effect"])[["value", "ci_low", "ci_high"]]


def adf(decision, label, plus):
    """Return ADF in nats, and what chance is expected to add to it."""
    cells = [(decision & label), (decision & ~label), (~decision & ~label), (~decision & label)]
    tp, fp, tn, fn = ([[(c & plus).sum()], [(c & ~plus).sum()]] for c in cells)
    counts = Counts(*(np.array(part, float) for part in (tp, fp, tn, fn)))
    return [float(comparisons.get(n).compute(counts)[0]) for n in ("adf", "adf_bias")]


# I(S; X | Y) = 0, so no model has a direct effect.


def test_where_pictures_say_nothing_of_sex_given_the_disease_no_model_has_a_direct_effect():
    """The direct path is shut: S -> Y -> X is left, and a picture is the same in both worlds."""
    shut = drawn(0.0)
    for auroc, error in shut.sex_within_labels():
        assert abs(auroc - 0.5) < 2.58 * error
    random = np.random.default_rng(0).normal(size=(CELLS**2, 16))
    models = [
        shut.learn(shut.ill),
        shut.learn(shut.plus),
        lambda seen: np.tanh(shut.standard(seen) @ random / CELLS).prod(axis=1),
    ]
    for model in models:
        scores = shut.scores(model)
        found = effects(scores, cut=np.median(scores["base"]))
        for of in ("score", "decision"):
            assert (found.loc[(of, "direct")] == 0).all()
            assert found.loc[(of, "indirect"), "value"] == found.loc[(of, "total"), "value"]
    assert effects(shut.scores(models[0])).loc[("score", "total"), "ci_high"] < 0


def test_the_direct_effect_grows_with_the_path():
    """Of a model of exact labels: women have the finding less often, and pictures tell women."""
    found = {}
    for direct in (0.0, 1.0, 2.0):
        at = drawn(direct)
        found[direct] = effects(at.scores(at.learn(at.ill))).loc[("score", "direct")]
    assert found[0.0]["value"] == 0
    assert found[1.0]["ci_high"] < 0
    assert found[2.0]["ci_high"] < found[1.0]["ci_low"]


# The oracle: what reads the disease itself has no direct effect, and all of the indirect one.


def test_an_oracle_has_no_direct_effect_and_its_indirect_effect_is_the_total():
    at = drawn(1.0)
    read = {name: of[f"{LABEL}_severity"].to_numpy() for name, of in at.worlds.items()}
    found = effects(read, cut=1e-9)
    for of in ("score", "decision"):
        assert (found.loc[(of, "direct")] == 0).all()
        assert found.loc[(of, "indirect")].equals(found.loc[(of, "total")])
        assert found.loc[(of, "total"), "ci_high"] < 0
    sick = {name: of[LABEL].mean() for name, of in at.worlds.items()}
    change = sick["both"] - sick["base"]
    assert found.loc[("decision", "total"), "value"] == pytest.approx(change)


# The converses fail.


def test_no_direct_effect_does_not_mean_that_pictures_say_nothing_of_sex():
    """A model of those cells of the picture that the direct path does not reach."""
    at = drawn(1.0)
    outside = np.flatnonzero((at.pictures["shown"] == at.pictures["base"]).all(axis=0))
    assert 50 < len(outside) < CELLS**2 / 2
    model = at.learn(at.ill, outside)
    assert np.ptp(model(at.pictures["base"])) > 0  # it says something of somebody
    found = effects(at.scores(model), cut=np.median(model(at.pictures["base"])))
    for of in ("score", "decision"):
        assert (found.loc[(of, "direct")] == 0).all()
    for auroc, error in at.sex_within_labels():
        assert auroc > 0.9 > 0.5 + 5 * error


def test_adf_above_chance_does_not_mean_a_direct_effect():
    """The oracle again, judged by reports that miss half of women's findings: S, Y -> label."""
    at = drawn(1.0)
    said = reporting.report(config(underdiagnosis={PLUS: 0.5}), at.rows, PROFILE.dataset)
    label = (said[LABEL] == "positive").to_numpy()
    decision = {name: of[LABEL].to_numpy(float) for name, of in at.worlds.items()}
    assert (effects(decision).loc[("decision", "direct")] == 0).all()
    found, chance = adf(at.ill, label, at.plus)
    assert found > 10 * chance
    exact, _ = adf(at.ill, at.ill, at.plus)
    assert exact == pytest.approx(0, abs=1e-12)  # by the truth it is as fair as it is


def test_adf_of_nothing_does_not_mean_no_direct_effect():
    """Reports miss mild findings of women, and a model has learnt just that from how women look.

    It decides as the reports do, so that given the label its decisions say nothing of sex; and a
    man with a mild finding is found, and is not if he is drawn as a woman.
    """
    at = drawn(1.0)

    def noticed(of):
        severity = of[f"{LABEL}_severity"].to_numpy()
        return np.where(of["sex"] == PLUS, severity >= 0.5, severity > 0)

    label = noticed(at.rows)
    found, _ = adf(noticed(at.rows), label, at.plus)
    assert found == pytest.approx(0, abs=1e-12)
    direct = effects({name: noticed(of) * 1.0 for name, of in at.worlds.items()})
    severity = at.worlds["base"][f"{LABEL}_severity"]
    mild = ((severity > 0) & (severity < 0.5)).mean()
    assert mild > 0.1
    assert direct.loc[("decision", "direct"), "value"] == pytest.approx(-mild)
    assert direct.loc[("decision", "direct"), "ci_high"] < -0.1


def test_direct_and_indirect_effects_may_cancel_and_adf_is_then_nothing_either():
    """Eight people by hand; another disease runs in men, and a model's error about it offsets sex.

    Of the sick it finds men with that disease and women without: all there are, as people are.
    """
    plus = np.repeat([False, True], 4)
    ill = np.tile([True, True, False, False], 2)
    other = ~plus  # what is set along S -> Y sets it
    assert adf(ill & (plus ^ other), ill, plus)[0] == pytest.approx(0, abs=1e-12)
    worlds = {"base": (False, True), "shown": (True, True), "both": (True, False)}
    answers = {name: (ill & (sex ^ has)) * 1.0 for name, (sex, has) in worlds.items()}
    value = effects(answers)["value"]["decision"]
    assert value.to_dict() == {"direct": -0.5, "indirect": 0.5, "total": 0.0}
