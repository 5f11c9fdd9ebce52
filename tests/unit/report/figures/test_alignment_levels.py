"""Where levels of guidance lie: AUROC across, the gap up, in their colours."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.report.figures import _guided, alignment_levels
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.guidance import Guided


def draw(study):
    with mpl.rc_context(RC):
        drawn = alignment_levels.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def points(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_a_row_a_judged_label_and_a_panel_an_attribute(guided):
    axes = draw(guided).axes
    assert [a.get_title(loc="left") for a in axes] == [
        f"{label}, by {attribute} \N{MIDDLE DOT} {dataset}"
        for label, dataset in (
            *(("Nodule or mass", "Jsrt"), ("Nodule or mass", "Chexpert"), ("Edema", "Chexpert")),
        )
        for attribute in ("sex", "age")
    ]
    assert [set(datasets_of(a)) for a in axes] == [{"jsrt"}] * 2 + [{"chexpert"}] * 4
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("AUROC, all images", "AUROC gap")


def test_points_are_auroc_and_gap_of_those_on_all_patients(guided):
    found = points(draw(guided).axes[0])
    assert list(found) == ["no guidance", "50 %", "100 %", "random maps (100 %)", "literal"]
    places = [(*line.get_xdata(), *line.get_ydata()) for line in found.values()]
    assert places == [(0.8, 0.1), (0.82, 0.08), (0.81, 0.12), (0.7, 0.1), (0.79, 0.14)]


def test_colours_are_the_paper_s_and_shapes_tell_them_apart(guided):
    found = points(draw(guided).axes[0])
    colours = {name: line.get_color() for name, line in found.items()}
    assert colours["no guidance"] == _guided.WITHOUT
    assert colours["random maps (100 %)"] == _guided.AT_RANDOM
    luminance = [sum(mpl.colors.to_rgb(colours[name])) for name in ("50 %", "100 %")]
    assert luminance[0] > luminance[1]  # the higher the darker
    markers = [line.get_marker() for line in found.values()]
    assert markers == ["o", "s", "s", "^", "D"]


def test_levels_are_joined_in_their_order_and_numbered(guided):
    axes = draw(guided).axes[0]
    (path,) = [line for line in axes.lines if len(line.get_xdata()) > 1]
    np.testing.assert_allclose(path.get_xdata(), [0.8, 0.82, 0.81])
    assert [text.get_text() for text in axes.texts] == ["0", "50", "100"]


def test_intervals_stand_in_both_directions(guided):
    axes = draw(guided).axes[0]
    across, up = (np.array(c.get_segments()[0]) for c in axes.collections[:2])  # of no guidance
    np.testing.assert_allclose(across, [[0.78, 0.1], [0.83, 0.1]])
    np.testing.assert_allclose(up, [[0.8, 0.08], [0.8, 0.13]])


def test_a_single_level_or_no_gap_is_no_figure(guided, results):
    assert draw(results) is None
    gone = guided.summary[guided.summary["metric"] != "auroc_gap"]
    assert draw(replace(guided, summary=gone)) is None
    alike = {name: {**entry, "level": 1.0} for name, entry in guided.lists.items()}
    assert draw(replace(guided, lists=alike)) is None


def test_a_panel_of_which_all_is_hidden_says_so(guided):
    sex = guided.summary["attribute"].eq("sex")
    hidden = guided.summary.assign(value=guided.summary["value"].mask(sex))
    axes = draw(replace(guided, summary=hidden)).axes
    assert [t.get_text() for t in axes[0].texts] == ["undefined or hidden"]
    assert [t.get_text() for t in axes[1].texts] == ["0", "50", "100"]


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (Guided("a", 0.0, 1.0, False, True), "no guidance"),
        (Guided("a", 0.0, 1.0, True, True), "no guidance"),
        (Guided("a", 0.25, 1.0, False, True), "25 %"),
        (Guided("a", 0.5, 1.0, True, True), "random maps (50 %)"),
        (Guided("a", 0.5, 1.0, False, False), "a"),
    ],
)
def test_names_in_the_legend(of, name):
    assert _guided.name(of) == name
