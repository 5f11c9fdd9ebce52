from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cxrfair import inference, tables
from cxrfair.effects import EffectsError, beside_adf, measure
from cxrfair.images.store import Store
from cxrfair.inference import InferenceError
from cxrfair.methods._network import Network, Representation
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study

UNCERTAINTY = Uncertainty(resamples=60, confidence=0.9, seed=3, min_group_size=2)
WHERE = ("causal", "mimic_cxr")
BASE, SHOWN, ILL, BOTH = ("male", "male"), ("female", "male"), ("male", "female"), ("female",) * 2
WORLDS = (BASE, SHOWN, ILL, BOTH)


def study(labels=("pneumonia",), variants=("vanilla", "erm"), **changes):
    return Study.model_validate(
        {
            "datasets": ("mimic_cxr",),
            "labels": labels,
            "attributes": ("sex",),
            "reference": "vanilla",
            "variants": {name: {"method": "erm"} for name in variants},
            "seeds": (0, 1),
            "effects": {"sex": ("male", "female")},
            **changes,
        }
    )


def said(model, label="pneumonia", attribute="sex", worlds=WORLDS, **scores):
    """Answers of a model to images i0, i1, ... in each world; the unused one (ILL) is far off."""
    rows = []
    for name, (shown, ill) in zip(("base", "shown", "ill", "both"), worlds, strict=True):
        values = scores.get(name, np.full(len(scores["base"]), 0.99))
        ids = [f"i{n}" for n in range(len(values))]
        rows.append(pd.DataFrame({"image_id": ids, "score": values}).assign(shown=shown, ill=ill))
    found = pd.concat(rows, ignore_index=True).astype({"score": "float32"})
    return found.assign(variant=model[0], seed=model[1], attribute=attribute, label=label)


def cuts(value=0.5, labels=("pneumonia",), note=None):
    rows = [
        {"label": label, "group": "all", "part": 0, "value": value, "share": 1.0, "rule": "max_f1"}
        | {"fitted_on": "validation", "n": 9, "n_positive": 4, "note": note}
        for label in labels
    ]
    return pd.DataFrame(rows)


def people(*patients):
    return pd.DataFrame({"image_id": [f"i{n}" for n in range(len(patients))]}).assign(
        patient_id=patients
    )


VANILLA, ERM = ("vanilla", 0), ("erm", 0)
BLANK4 = np.zeros(4)
# Four images of three patients; two decisions move with what is shown, one more with the disease.
FOUR = {
    "base": np.array([0.25, 0.25, 0.5, 0.75]),
    "shown": np.array([0.5, 0.75, 0.5, 0.25]),
    "both": np.array([1.0, 0.75, 0.5, 0.75]),
}
PEOPLE = people("p0", "p0", "p1", "p2")


def at(found, model=VANILLA, label="pneumonia", attribute="sex"):
    """Return rows by what is answered and the effect."""
    of = found[["variant", "seed", "label", "attribute"]] == [*model, label, attribute]
    return found[of.all(axis=1)].set_index(["of", "effect"])


def measured(answers, thresholds=None, cohort=PEOPLE, of=None, uncertainty=UNCERTAINTY):
    of = of or study()
    thresholds = thresholds or {VANILLA: cuts()}
    found = measure(WHERE, of, answers, thresholds, cohort, uncertainty)
    tables.EFFECTS.check(found)
    return found


def test_effects_are_those_worked_out_by_hand():
    rows = at(measured(said(VANILLA, **FOUR)))
    # Scores: shown - base = .25, .5, 0, -.5; both - base = .75, .5, 0, 0.
    # Decisions at 0.5: base 0 0 1 1, shown 1 1 1 0, both 1 1 1 1.
    wanted = {
        ("score", "direct"): 0.25 / 4,
        ("score", "total"): 1.25 / 4,
        ("score", "indirect"): 1.0 / 4,
        ("decision", "direct"): 1 / 4,
        ("decision", "total"): 2 / 4,
        ("decision", "indirect"): 1 / 4,
    }
    assert rows["value"].to_dict() == wanted
    assert (rows["n"] == 4).all()
    assert (rows["n_patients"] == 3).all()
    assert (rows[["minus", "plus"]] == ["male", "female"]).all(axis=None)
    assert rows["difference"].isna().all()  # of the reference from itself
    assert rows["note"].isna().all()


def test_a_score_on_the_threshold_is_positive_and_one_below_is_not():
    found = measured(said(VANILLA, **FOUR), {VANILLA: cuts(0.5 + 1e-9)})
    # base 0 0 0 1, shown 0 1 0 0, both 1 1 0 1.
    assert at(found)["value"]["decision"].to_dict() == {"direct": 0, "indirect": 0.5, "total": 0.5}


def test_intervals_are_those_of_resampled_patients():
    rows = at(measured(said(VANILLA, **FOUR)))
    counts = patient_counts(3, 60, 3)[1:, [0, 0, 1, 2]]
    moved = np.array([0.25, 0.5, 0.0, -0.5])
    draws = (counts * moved).sum(axis=1) / counts.sum(axis=1)
    low, high = np.quantile(draws, [0.05, 0.95])
    direct = rows.loc[("score", "direct")]
    assert (direct["ci_low"], direct["ci_high"]) == pytest.approx((low, high))
    assert low < direct["value"] < high


def test_differences_are_paired_with_the_reference_of_the_same_seed():
    other = {**FOUR, "shown": FOUR["shown"] + [0.125, 0.0, 0.0, 0.125]}
    answers = [
        said(VANILLA, **FOUR),
        said(("vanilla", 1), base=FOUR["base"], shown=FOUR["base"], both=FOUR["base"]),
        said(ERM, **other),
        said(("erm", 1), **FOUR),
    ]
    models = {(v, s): cuts() for v in ("vanilla", "erm") for s in (0, 1)}
    found = measured(pd.concat(answers), models)
    own = at(found, ERM).loc[("score", "direct")]
    assert own["difference"] == pytest.approx(0.0625)
    counts = patient_counts(3, 60, 3)[1:, [0, 0, 1, 2]]
    draws = (counts * [0.125, 0, 0, 0.125]).sum(axis=1) / counts.sum(axis=1)
    ends = own["difference_low"], own["difference_high"]
    assert ends == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
    assert at(found, ("erm", 1)).loc[("score", "direct"), "difference"] == 0.0625  # vanilla's is 0
    of = study(variants=("vanilla", "erm", "half"))
    half = of.variants["half"].model_copy(update={"against": "erm"})
    of = of.model_copy(update={"variants": of.variants | {"half": half}})
    again = [said(VANILLA, **FOUR), said(ERM, **other), said(("half", 0), **other)]
    models = dict.fromkeys((VANILLA, ERM, ("half", 0)), cuts())
    found = measured(pd.concat(again), models, of=of)
    assert at(found, ("half", 0)).loc[("score", "direct"), "difference"] == 0


def test_who_answers_as_the_reference_differs_from_it_by_exactly_nothing():
    answers = pd.concat([said(VANILLA, **FOUR), said(ERM, **FOUR)])
    rows = at(measured(answers, {VANILLA: cuts(), ERM: cuts()}), ERM)
    assert (rows[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    wide = rows["ci_high"] - rows["ci_low"]
    assert (wide > 0).all()


def test_without_a_reference_of_that_seed_there_is_no_difference():
    answers = pd.concat([said(VANILLA, **FOUR), said(("erm", 1), **FOUR)])
    rows = at(measured(answers, {VANILLA: cuts(), ("erm", 1): cuts()}), ("erm", 1))
    assert rows["difference"].isna().all()
    assert rows["value"].notna().all()


def test_without_a_threshold_scores_have_effects_and_decisions_have_none():
    rows = at(measured(said(VANILLA, **FOUR), {VANILLA: cuts(np.nan, note="no positives")}))
    assert rows.loc["decision"][["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (rows.loc["decision"]["note"] == "no threshold: no positives").all()
    assert rows.loc["score"]["value"].notna().all()
    assert rows.loc["score"]["note"].isna().all()


def test_labels_and_attributes_keep_their_own():
    labels = ("pneumonia", "edema")
    of = study(labels, effects={"sex": ("male", "female"), "race": ("white", "black")})
    turned = {"base": FOUR["shown"], "shown": FOUR["base"], "both": FOUR["base"]}
    race = [tuple({"male": "white", "female": "black"}[v] for v in world) for world in WORLDS]
    answers = [
        said(VANILLA, **FOUR),
        said(VANILLA, "edema", **turned),
        said(VANILLA, "pneumonia", "race", race, base=BLANK4, shown=BLANK4 + 1, both=BLANK4 + 1),
        said(VANILLA, "edema", "race", race, base=BLANK4, shown=BLANK4, both=BLANK4 + 1),
    ]
    found = measured(pd.concat(answers), {VANILLA: cuts(labels=labels)}, of=of)
    value = {
        (label, attribute): at(found, VANILLA, label, attribute)["value"]["decision"].to_dict()
        for label, attribute in product(labels, ("sex", "race"))
    }
    assert value == {
        ("pneumonia", "sex"): {"direct": 0.25, "indirect": 0.25, "total": 0.5},
        ("edema", "sex"): {"direct": -0.25, "indirect": 0.0, "total": -0.25},
        ("pneumonia", "race"): {"direct": 1.0, "indirect": 0.0, "total": 1.0},
        ("edema", "race"): {"direct": 0.0, "indirect": 1.0, "total": 1.0},
    }


NUMBERS = st.lists(
    st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=8
)


@settings(max_examples=30)
@given(values=NUMBERS, cut=st.floats(0, 1))
def test_the_total_is_the_direct_and_the_indirect_effect_and_an_effect_is_a_share(values, cut):
    base, shown, both = np.array(values, np.float32).T
    cohort = people(*(f"p{n // 2}" for n in range(len(base))))
    few = Uncertainty(resamples=5, confidence=0.9, seed=1, min_group_size=0)
    answers = said(VANILLA, base=base, shown=shown, both=both)
    rows = at(measured(answers, {VANILLA: cuts(cut)}, cohort, uncertainty=few))
    for of in ("score", "decision"):
        value = rows["value"][of]
        assert value["total"] == pytest.approx(value["direct"] + value["indirect"], abs=1e-12)
        assert value[["direct", "total"]].abs().max() <= 1 + 1e-12
        assert value["direct"] == pytest.approx(_mean(shown, base, of, cut), abs=1e-12)
        assert value["total"] == pytest.approx(_mean(both, base, of, cut), abs=1e-12)


def _mean(plus, minus, of, cut):
    one, other = np.float64(plus), np.float64(minus)
    return np.mean(one - other if of == "score" else (one >= cut) * 1.0 - (other >= cut))


def test_the_order_of_rows_changes_nothing():
    answers = pd.concat([said(VANILLA, **FOUR), said(ERM, **FOUR)])
    models = {VANILLA: cuts(), ERM: cuts(0.3)}
    once = measured(answers, models)
    mixed = answers.sample(frac=1, random_state=5)
    again = measured(mixed, models, PEOPLE.iloc[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(once, again)


def test_few_images_are_noted():
    strict = UNCERTAINTY.model_copy(update={"min_group_size": 5})
    assert (
        measured(said(VANILLA, **FOUR), uncertainty=strict)["note"] == "fewer than 5 images"
    ).all()


def test_nothing_asked_is_nothing_found():
    assert measured(said(VANILLA, **FOUR), of=study(effects={})).empty


def gone(answers, **where):
    return answers[~(answers[list(where)] == list(where.values())).all(axis=1)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: gone(a, shown="female", ill="female"), "4 of 12 answers on sex are missing"),
        (lambda a: gone(a, shown="female", ill="male", image_id="i2"), "1 of 12 answers on sex"),
        (lambda a: a.assign(attribute="race"), "12 of 12 answers on sex are missing"),
        (lambda a: a.assign(variant="dro"), "16 of 16 answers are of other models or labels"),
        (lambda a: a.assign(label="edema"), "16 of 16 answers are of other models or labels"),
        (lambda a: a.replace({"image_id": {"i3": "x"}}), "1 of 4 images are not in the cohort"),
        (lambda a: a.iloc[:0], "0 images were answered; at least 1 is needed"),
    ],
)
def test_answers_that_do_not_fit_are_refused_with_their_number(change, says):
    with pytest.raises(EffectsError, match=says):
        measured(change(said(VANILLA, **FOUR)))


def test_the_world_that_no_effect_is_made_of_may_be_absent():
    answers = said(VANILLA, **FOUR)
    whole = measured(answers)
    pd.testing.assert_frame_equal(measured(gone(answers, shown="male", ill="female")), whole)


def test_a_label_without_a_row_of_thresholds_is_refused():
    with pytest.raises(EffectsError, match=r"no threshold of \('vanilla', 0\) for pneumonia"):
        measured(said(VANILLA, **FOUR), {VANILLA: cuts(labels=("edema",))})


# ADF beside what it stands for.


def effects(variant, seed, numbers, effect="direct"):
    """Make a row; `numbers` are low end, value and high end."""
    row = {"variant": variant, "seed": seed, "of": "decision", "effect": effect}
    place = {"dataset": "mimic_cxr", "label": "pneumonia", "attribute": "sex"}
    return {**row, **place, **dict(zip(("ci_low", "value", "ci_high"), numbers, strict=True))}


def summary(**changes):
    rows = [
        {"variant": v, "metric": m, "group": g, "value": value}
        for v, base in (("vanilla", 0.02), ("erm", 0.03))
        for m, g, value in (
            ("adf", "between", base),
            ("adf_corrected", "between", base - 0.005),
            ("adf", "female", 9.0),
            ("dp", "between", 8.0),
        )
    ]
    frame = pd.DataFrame(rows).assign(dataset="mimic_cxr", label="pneumonia", attribute="sex")
    return frame.assign(ci_low=frame["value"] / 2, ci_high=frame["value"] * 2, **changes)


def test_sizes_have_no_sign_and_seeds_do_not_cancel():
    found = beside_adf(
        summary(),
        pd.DataFrame(
            [
                effects("vanilla", 0, (-0.3, -0.2, -0.1)),
                effects("vanilla", 1, (0.3, 0.4, 0.6)),
                effects("erm", 0, (-0.1, 0.05, 0.08)),
                effects("erm", 1, (np.nan, np.nan, np.nan)),
                effects("erm", 0, (0.7, 0.8, 0.9), effect="total"),
            ]
        ),
    ).set_index("variant")
    sizes = found[["size", "size_low", "size_high"]]
    np.testing.assert_allclose(sizes.loc["vanilla"].astype(float), [0.3, 0.1, 0.6])
    np.testing.assert_allclose(sizes.loc["erm"].astype(float), [0.05, 0.0, 0.1])
    ends = found.loc["erm", ["adf", "adf_low", "adf_high", "chance"]]
    np.testing.assert_allclose(ends.astype(float), [0.03, 0.015, 0.06, 0.005])


def test_without_adf_the_sizes_stay():
    rows = pd.DataFrame([effects("vanilla", 0, (0.1, 0.2, 0.3))])
    (found,) = beside_adf(summary(metric="dp").iloc[:0], rows).to_dict("records")
    assert found["size"] == 0.2
    assert np.isnan([found["adf"], found["chance"]]).all()


# Answers of a network.


class Brightness(Network):
    """A network whose two logits are the mean grey and its double."""

    def __init__(self):
        super().__init__()
        self.width, self.grid, self.head = 1, (1, 1), nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[1.0], [2.0]]))

    def represent(self, image):
        mean = image.mean(dim=(2, 3))
        return Representation(mean[:, None], mean, self.head(mean), (1, 1))


class Told:
    labels = ("pneumonia", "edema")


@pytest.fixture
def pictures(tmp_path):
    """Four pictures of one grey each, two images in two worlds; rows not in the order of ids."""
    grey = np.array([0, 51, 102, 255], np.uint8)
    np.save(tmp_path / "pixels.npy", np.tile(grey[:, None, None], (1, 4, 4)))
    worlds = pd.DataFrame(
        {
            "image_id": ["b", "a", "b", "a"],
            "attribute": "sex",
            "shown": ["male", "male", "female", "female"],
            "ill": "male",
            "row": [3, 0, 1, 2],
        }
    )
    index = pd.DataFrame({"image_id": list("0123"), "row": range(4), "quarantine": None})
    return Store(tmp_path / "pixels.npy", index), worlds


def test_every_picture_is_scored_by_its_own_row_for_every_label(pictures):
    store, worlds = pictures
    found = inference.answer(Brightness(), Told, worlds, store, torch.device("cpu"))
    tables.ANSWERS.check(found.assign(variant="erm", seed=0))
    by = found.set_index(["label", "image_id", "shown"])["score"]
    for (image, shown), grey in {
        ("b", "male"): 1.0,
        ("a", "male"): 0.0,
        ("b", "female"): 0.2,
        ("a", "female"): 0.4,
    }.items():
        assert by["pneumonia", image, shown] == pytest.approx(1 / (1 + np.exp(-grey)))
        assert by["edema", image, shown] == pytest.approx(1 / (1 + np.exp(-2 * grey)))
    assert len(found) == 8


def test_scores_that_are_no_numbers_are_refused(pictures):
    store, worlds = pictures
    network = Brightness()
    with torch.no_grad():
        network.head.weight.fill_(np.inf)
    with pytest.raises(InferenceError, match="answer: scores of 4 images are not finite"):
        inference.answer(network, Told, worlds, store, torch.device("cpu"))
