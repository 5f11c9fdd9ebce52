from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxrfair.report.figures import _style, adf_effect
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC

NAMES = tuple(f"method_{number:02d}" for number in range(9))
PLACES = [(d, label) for d in ("nih", "mimic") for label in ("no_finding", "pleural_effusion")]


def _study(results, variants=NAMES, places=PLACES, **changes):
    """ADF 0.01, 0.02, ... of the variants in turn; direct effects -0.1, -0.2, ..., scores' half."""
    place = np.arange(1, len(variants) + 1)
    effects, summary = [], []
    for (dataset, label), (of, share) in ((p, o) for p in places for o in OF.items()):
        named = {"dataset": dataset, "label": label, "attribute": "sex", "variant": variants}
        value = changes.get("size", -0.1 * place) * share
        row = {"of": of, "effect": "direct", "seed": 0, "value": value}
        effects.append(pd.DataFrame({**named, **row}))
    for dataset, label in places:
        named = {"dataset": dataset, "label": label, "attribute": "sex", "variant": variants}
        adf = changes.get("adf", 0.01 * place)
        for metric, value in (("adf", adf), ("adf_corrected", adf - 0.005)):
            own = {"metric": metric, "group": "between", "value": value}
            summary.append(pd.DataFrame({**named, **own}))
    frames = [pd.concat(each, ignore_index=True) for each in (effects, summary)]
    ended = [f.assign(ci_low=f["value"] - 0.004, ci_high=f["value"] + 0.003) for f in frames]
    own = {"effects": {"sex": ("male", "female")}, "variants": dict.fromkeys(variants)}
    of = results.study.model_copy(update=own)
    return replace(results, study=of, effects=ended[0], summary=ended[1])


OF = {"decision": 1.0, "score": 0.5}


def _draw(results, **changes):
    with mpl.rc_context(RC):
        figure = adf_effect.draw(_study(results, **changes))
        if figure is not None:
            lay_out(figure)
            figure.draw_without_rendering()
    return figure


def _points(axes):
    return {
        line.get_label(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_a_row_for_each_data_set_and_label_and_a_column_for_decisions_and_scores(results):
    figure = _draw(results, variants=NAMES[:4])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    dot = " \N{MIDDLE DOT} "
    assert titles[::2] == [
        f"{what}, sex{dot}{where}"
        for where in ("NIH", "Mimic")
        for what in ("No finding", "Pleural effusion")
    ]
    assert titles[::2] == titles[1::2]
    decisions, scores = figure.axes[:2]
    expected = [(0.1, 0.01), (0.2, 0.02), (0.3, 0.03), (0.4, 0.04)]
    np.testing.assert_allclose(list(_points(decisions).values()), expected)
    np.testing.assert_allclose([x for x, _ in _points(scores).values()], [0.05, 0.1, 0.15, 0.2])
    assert decisions.get_ylabel() == "ADF (nats)"
    assert [axes.get_xlabel().split(",")[0] for axes in (decisions, scores)] == [
        "Direct effect on decisions",
        "Direct effect on scores",
    ]
    assert {axes.get_gid() for axes in figure.axes[:4]} == {"dataset:nih"}
    assert {axes.get_gid() for axes in figure.axes[4:]} == {"dataset:mimic"}


def test_the_rank_correlation_stands_below_its_panel(results):
    said = _draw(results).axes[0].get_xlabel()
    assert "rank correlation 1.00\n(1.00\N{EN DASH}1.00), 9 variants" in said
    few = _draw(results, variants=NAMES[:3]).axes[0].get_xlabel()
    assert "rank correlation undefined:\nfewer than 4 variants" in few


def test_intervals_reach_in_both_directions_and_chance_is_dashed(results):
    axes = _draw(results, variants=NAMES[:4]).axes[0]
    ends = [path.vertices for each in axes.collections for path in each.get_paths()]
    np.testing.assert_allclose(ends[0], [[0.097, 0.01], [0.104, 0.01]])
    np.testing.assert_allclose(ends[1], [[0.1, 0.006], [0.1, 0.013]])
    (chance,) = [line for line in axes.lines if line.get_label().startswith("_")]
    np.testing.assert_allclose(chance.get_ydata(), 0.005)


def test_many_variants_are_numbered_as_in_the_legend(results):
    figure = _draw(results)
    names = [f"{i} {name}" for i, name in enumerate(NAMES, 1)]
    assert list(_points(figure.axes[0])) == names
    assert [text.get_text() for text in figure.axes[0].texts] == [str(i) for i in range(1, 10)]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    few = _draw(results, variants=NAMES[:7])
    assert not few.axes[0].texts
    assert list(_points(few.axes[0])) == list(NAMES[:7])


def test_a_variant_looks_as_in_the_other_figures_also_beside_one_without_training(results):
    study = _study(results)
    bare = replace(study, effects=study.effects[study.effects["variant"] != NAMES[0]])
    with mpl.rc_context(RC):
        axes = adf_effect.draw(bare).axes[0]
    colours = {line.get_label().split()[-1]: line.get_color() for line in axes.lines}
    looks = _style.look(NAMES)
    assert all(colours[name] == looks[name][0] for name in NAMES[1:])
    assert NAMES[0] not in colours


@pytest.mark.parametrize("gone", ["size", "adf"])
def test_an_empty_panel_says_so(results, gone):
    axes = _draw(results, **{gone: np.full(9, np.nan)}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["undefined or hidden"]


def test_without_effects_or_adf_there_is_no_figure(results):
    assert adf_effect.draw(results) is None
    study = _study(results)
    assert adf_effect.draw(replace(study, summary=study.summary.iloc[:0])) is None


def test_what_stands_below_one_panel_does_not_run_into_the_next(results):
    figure = _draw(results, size=np.array([1, -1, 1, -1, 1, -1, 1, -1, 1]) * np.arange(9) / 9)
    left, right = (axes.xaxis.label.get_window_extent() for axes in figure.axes[:2])
    assert left.x1 < right.x0
    assert right.x1 <= figure.bbox.x1
