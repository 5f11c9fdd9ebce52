from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxrfair.report.figures import _style, sweeps
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC
from cxrfair.studies import Variant

TRAINED_WITH = {"rate": 0.8, "weight": 2.0, "steps": 10, "on": True}
DATASETS = ("nih", "mimic")
RATES = {"erm": {}, "low": {"rate": 0.2}, "high": {"rate": 1.0}, "base": {}}


def _variant(method="dro", settings=None, **changes):
    return Variant(method=method, settings=settings or {}, **changes)


def _rates(**changes):
    """Variants of one method with three values of `rate`, one of them not set; and `erm`."""
    named = {n: _variant("erm" if n == "erm" else "dro", s) for n, s in RATES.items()}
    return {**named, **changes}


def _study(results, variants, datasets=DATASETS, attributes=("sex", "age"), **changes):
    """PQD of the variants in turn 0.90, 0.89, ..., accuracy and EOM 0.1 and 0.2 less."""
    of = results.study.model_copy(
        update={"datasets": datasets, "attributes": attributes, "variants": variants}
    )
    cards = {
        (dataset, name, seed): {"settings": {**TRAINED_WITH, **variant.settings}}
        for dataset in datasets
        for name, variant in variants.items()
        if variant.post is None
        for seed in of.seeds
    }
    places = [("accuracy", "all", 0.8), *(("pqd", a, 0.9) for a in attributes)]
    places += [("eom", attribute, 0.7) for attribute in attributes]
    rows = [_rows(*place, dataset, list(variants)) for dataset in datasets for place in places]
    changed = {"cards": cards, "summary": pd.concat(rows, ignore_index=True), **changes}
    return replace(results, study=of, **changed)


def _rows(metric, attribute, first, dataset, variants):
    value = first - 0.01 * np.arange(len(variants))
    ends = {"value": value, "ci_low": value - 0.02, "ci_high": value + 0.03}
    where = {"metric": metric, "attribute": attribute, "dataset": dataset, "label": "mean"}
    return pd.DataFrame({"variant": variants, **ends}).assign(**where)


def _draw(study):
    with mpl.rc_context(RC):
        figure = sweeps.draw(study)
        if figure is not None:
            lay_out(figure)
            figure.draw_without_rendering()
    return figure


def _lines(axes):
    """What was drawn, by its name in the legend: a line with the values, and the references."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_values_lie_in_order_and_one_that_is_not_set_is_as_trained(results):
    study = _study(results, _rates())
    (family,) = sweeps.families(study)
    assert family == ("dro", "rate", (), ("low", "high", "base"))
    found = sweeps.values(study, "nih", family)
    assert list(found.items()) == [("low", 0.2), ("base", 0.8), ("high", 1.0)]


def test_each_measure_is_drawn_over_the_values_of_its_own_attribute(results):
    figure = _draw(_study(results, _rates()))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{a} \N{MIDDLE DOT} {d}" for d in ("NIH", "Mimic") for a in ("Sex", "Age")]
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Rate of dro"
    lines = _lines(axes)
    assert list(lines) == ["Accuracy", "PQD", "EOM", "erm"]
    # erm is the first variant (.80), then low, high, base: in order of the rate low, base, high.
    np.testing.assert_allclose(lines["Accuracy"].get_ydata(), [0.79, 0.77, 0.78])
    np.testing.assert_allclose(lines["PQD"].get_ydata(), [0.89, 0.87, 0.88])
    np.testing.assert_allclose(lines["EOM"].get_ydata(), [0.69, 0.67, 0.68])
    np.testing.assert_allclose(lines["PQD"].get_xdata(), [0.2, 0.8, 1.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.2", "0.8", "1"]


def test_an_attribute_s_panel_shows_that_attribute(results):
    study = _study(results, _rates())
    older = study.summary["attribute"].eq("age")
    study.summary.loc[older, "value"] = 0.5
    sex, age = _draw(study).axes[:2]
    np.testing.assert_allclose(_lines(age)["PQD"].get_ydata(), 0.5)
    np.testing.assert_allclose(_lines(age)["Accuracy"].get_ydata(), [0.79, 0.77, 0.78])
    assert _lines(sex)["PQD"].get_ydata()[0] == pytest.approx(0.89)


def test_intervals_are_those_of_the_values_and_stand_beside_each_other(results):
    axes = _draw(_study(results, _rates())).axes[0]
    ends = [[path.vertices for path in each.get_paths()] for each in axes.collections]
    low = np.array([of[0] for of in ends])  # measures of the lowest rate, (measure, end, xy)
    np.testing.assert_allclose(low[:, :, 1], [[0.77, 0.82], [0.87, 0.92], [0.67, 0.72]])
    assert low[0, 0, 0] < low[1, 0, 0] == 0.2 < low[2, 0, 0] < 0.25


def test_the_reference_is_a_faint_line_a_measure(results):
    axes = _draw(_study(results, _rates())).axes[0]
    across = [line for line in axes.lines if line.get_label().startswith("_")]
    assert [line.get_ydata()[0] for line in across] == pytest.approx([0.8, 0.9, 0.7])
    assert [line.get_color() for line in across] == list(_style.COLOURS[:3])
    assert all(line.get_alpha() < 1 for line in across)


def test_everything_drawn_is_within_its_axes(results):
    for weights in ([0.0, 0.5, 4.0], [0.01, 0.1, 10.0]):
        variants = {f"w{i}": _variant(settings={"weight": w}) for i, w in enumerate(weights)}
        axes = _draw(_study(results, {"erm": _variant("erm"), **variants})).axes[0]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        ends = np.concatenate([p.vertices for c in axes.collections for p in c.get_paths()])
        assert left < ends[:, 0].min() < ends[:, 0].max() < right
        assert bottom < ends[:, 1].min() < ends[:, 1].max() < top


@pytest.mark.parametrize(
    ("weights", "scale"),
    [([0.5, 1.0, 10.0], "linear"), ([0.5, 1.0, 10.1], "log"), ([0.0, 1.0, 100.0], "linear")],
)
def test_values_far_from_each_other_are_on_a_logarithmic_axis(results, weights, scale):
    variants = {f"w{i}": _variant(settings={"weight": w}) for i, w in enumerate(weights)}
    axes = _draw(_study(results, {"erm": _variant("erm"), **variants})).axes[0]
    assert axes.get_xscale() == scale
    assert axes.get_xticks()[-1] == weights[-1]


def test_ticks_that_would_run_into_each_other_are_left_out(results):
    weights = [0.0, 0.1, 1.0, 1.2, 4.0]
    variants = {f"w{i}": _variant(settings={"weight": w}) for i, w in enumerate(weights)}
    axes = _draw(_study(results, {"erm": _variant("erm"), **variants})).axes[0]
    np.testing.assert_allclose(axes.get_xticks(), [0.0, 1.0, 4.0])


def test_two_settings_of_one_method_are_two_families_around_the_same_variant(results):
    weights = {f"w{w}": _variant(settings={"weight": float(w)}) for w in (0, 1)}
    study = _study(results, _rates(**weights))
    assert [family[1] for family in sweeps.families(study)] == ["rate", "weight"]
    rate, weight = sweeps.families(study)
    assert rate.variants == ("low", "high", "base")
    assert weight.variants == ("base", "w0", "w1")
    labels = [axes.get_xlabel() for axes in _draw(study).axes]
    assert labels == ["Rate of dro"] * 4 + ["Weight of dro"] * 4


@pytest.mark.parametrize(
    "other",
    [
        {"groups": ("sex",)},
        {"rebalance": "balanced"},
        {"upstream": "erm"},
        {"train": {"epochs": 3}},
        {"settings": {"rate": 1.0, "weight": 3.0}},
        {"settings": {"rate": 1.0, "on": False}},
        {"method": "jtt", "settings": {"rate": 1.0}},
        {"settings": {"rate": 0.2}},
        {"settings": {}},
    ],
)
def test_what_differs_in_anything_else_or_in_nothing_is_no_third_value(results, other):
    high = Variant.model_validate({"method": "dro", "settings": {"rate": 1.0}, **other})
    study = _study(results, _rates(high=high))
    assert sweeps.families(study) == []
    assert _draw(study) is None


def test_switches_and_words_are_no_numbers(results):
    changed = {
        f"v{i}": _variant(settings={"kind": kind}) for i, kind in enumerate([True, False, "a", "b"])
    }
    assert sweeps.families(_study(results, {"erm": _variant("erm"), **changed})) == []


def test_other_thresholds_on_the_same_scores_are_no_value(results):
    post = Variant(post="equalised_odds", upstream="low", groups=("sex",))
    study = _study(results, _rates(high=post))
    assert sweeps.families(study) == []


def test_families_say_which_groups_they_were_told_of(results):
    told = {
        f"{n}_{group}": _variant(settings=RATES[n], groups=groups)
        for group, groups in (("one", ("race",)), ("two", ("race", "no_finding")))
        for n in ("low", "high", "base")
    }
    figure = _draw(_study(results, {"erm": _variant("erm"), **told}, attributes=("sex",)))
    labels = [axes.get_xlabel() for axes in figure.axes[::2]]
    assert labels == ["Rate of dro, told of race", "Rate of dro, told of race and no finding"]


def test_families_that_would_be_named_alike_are_told_apart(results):
    small = {
        f"{n}_small": _variant(settings=RATES[n], train={"epochs": 1}) for n in list(RATES)[1:]
    }
    figure = _draw(_study(results, _rates(**small), attributes=("sex",)))
    labels = [axes.get_xlabel() for axes in figure.axes[::2]]
    assert labels == ["Rate of dro (as low)", "Rate of dro (as low_small)"]


def test_a_search_may_have_chosen_another_value_on_each_data_set(results):
    study = _study(results, _rates())
    for seed in study.study.seeds:
        study.cards["mimic", "base", seed]["settings"]["rate"] = 0.4
    nih, mimic = _draw(study).axes[::2]
    np.testing.assert_allclose(_lines(nih)["PQD"].get_xdata(), [0.2, 0.8, 1.0])
    np.testing.assert_allclose(_lines(mimic)["PQD"].get_xdata(), [0.2, 0.4, 1.0])


def test_a_data_set_on_which_nothing_is_known_says_so(results):
    study = _study(results, _rates())
    cards = {place: card for place, card in study.cards.items() if place[0] == "nih"}
    figure = _draw(replace(study, cards=cards))
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [[], [], ["undefined or hidden"], ["undefined or hidden"]]


def test_what_is_hidden_is_left_out(results):
    study = _study(results, _rates())
    hidden = study.summary["variant"].eq("base") & study.summary["metric"].eq("pqd")
    study.summary.loc[hidden, ["value", "ci_low", "ci_high"]] = np.nan
    lines = _lines(_draw(study).axes[0])
    assert list(np.isnan(lines["PQD"].get_ydata())) == [False, True, False]
    assert not np.isnan(lines["EOM"].get_ydata()).any()


def test_a_panel_of_which_all_is_hidden_says_so(results):
    study = _study(results, _rates())
    study.summary.loc[study.summary["dataset"] == "nih", ["value", "ci_low", "ci_high"]] = np.nan
    said = [[text.get_text() for text in axes.texts] for axes in _draw(study).axes]
    assert said == [["undefined or hidden"], ["undefined or hidden"], [], []]


def test_measures_that_were_not_asked_for_are_left_out(results):
    study = _study(results, _rates())
    two = study.summary[study.summary["metric"] != "pqd"]
    axes = _draw(replace(study, summary=two)).axes[0]
    assert list(_lines(axes)) == ["Accuracy", "EOM", "erm"]
    assert _lines(axes)["EOM"].get_color() == _style.COLOURS[2]
    none = study.summary.replace({"metric": dict.fromkeys(("accuracy", "pqd", "eom"), "auroc")})
    assert _draw(replace(study, summary=none)) is None


def test_given_predictions_have_no_settings_and_no_figure(results):
    assert _draw(_study(results, _rates(), cards={})) is None
