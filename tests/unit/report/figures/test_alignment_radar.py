"""Measures of all images round a circle, with guidance and without."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np

from cxrfair.report.figures import alignment_radar
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of


def draw(study):
    with mpl.rc_context(RC):
        drawn = alignment_radar.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def test_the_pair_is_of_the_highest_level_on_most_patients(guided):
    pair = alignment_radar.fullest(guided)
    assert (pair.aligned.variant, pair.without.variant) == ("aligned_100", "plain")


def test_a_panel_a_judged_label_and_a_closed_line_a_variant(guided):
    axes = draw(guided).axes
    assert [a.get_title(loc="left") for a in axes] == [
        f"Nodule or mass \N{MIDDLE DOT} {name}" for name in ("Jsrt", "Chexpert")
    ] + ["Edema \N{MIDDLE DOT} Chexpert"]
    assert [set(datasets_of(a)) for a in axes] == [{"jsrt"}, {"chexpert"}, {"chexpert"}]
    before, after = axes[0].lines
    assert [line.get_label() for line in (before, after)] == ["no guidance", "100 %"]
    np.testing.assert_allclose(before.get_ydata(), [0.8] * 5)
    np.testing.assert_allclose(after.get_ydata(), [0.81] * 5)
    turn = np.array([0, 1, 2, 3, 0]) * np.pi / 2
    np.testing.assert_allclose(after.get_xdata(), turn)
    assert axes[0].get_ylim() == (0, 1)
    arrow = "\N{RIGHTWARDS ARROW}"
    spokes = [label.get_text() for label in axes[0].get_xticklabels()]
    assert spokes == [f"{name}\n0.800 {arrow} 0.810" for name in ("Accuracy", "AUROC", "TPR", "F1")]


def test_titles_are_clear_of_the_spokes(guided):
    drawn = draw(guided)
    for axes in drawn.axes:
        title = next(t for t in (axes._left_title,) if t.get_text()).get_window_extent()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert not any(title.overlaps(box) for box in boxes)


def test_two_measures_or_no_guidance_are_no_figure(guided, results):
    assert draw(results) is None
    gone = guided.summary[~guided.summary["metric"].isin(["tpr", "f1"])]
    assert draw(replace(guided, summary=gone)) is None


def test_what_is_hidden_is_said(guided):
    of = guided.summary["metric"].eq("tpr") & guided.summary["dataset"].eq("jsrt")
    hidden = guided.summary.assign(value=guided.summary["value"].mask(of))
    axes = draw(replace(guided, summary=hidden)).axes[0]
    assert axes.get_xticklabels()[2].get_text() == "TPR\nundefined or hidden"
