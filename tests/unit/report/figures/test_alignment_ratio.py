"""Gaps over the share of training patients, with guidance and without."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np

from cxrfair.report.figures import alignment_ratio
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of


def draw(study):
    with mpl.rc_context(RC):
        drawn = alignment_ratio.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def test_families_are_of_the_highest_level_with_its_partners(guided):
    level, without, aligned = alignment_ratio.families(guided)
    assert level == 1.0
    assert without == {1.0: "plain", 0.5: "half"}
    assert aligned == {1.0: "aligned_100", 0.5: "half_aligned"}  # not at random, not literal


def test_lines_are_the_gaps_over_the_share_of_patients(guided):
    axes = draw(guided).axes
    assert len(axes) == 6 * 4
    assert [a.get_ylabel() for a in axes[:4]] == [
        *("Accuracy gap", "AUROC gap", "TPR gap", "F1 gap"),
    ]
    blue, red = axes[0].lines
    assert [line.get_label() for line in (blue, red)] == ["no guidance", "with guidance (100 %)"]
    np.testing.assert_allclose(blue.get_ydata(), [0.2, 0.1])
    np.testing.assert_allclose(red.get_ydata(), [0.15, 0.12])
    np.testing.assert_allclose(blue.get_xdata(), [49.2, 99.2])
    np.testing.assert_allclose(red.get_xdata(), [50.8, 100.8])
    assert list(axes[0].get_xticks()) == [50, 100]
    assert axes[0].get_ylim()[0] == 0
    assert [set(datasets_of(a)) for a in axes[::4]] == [{"jsrt"}] * 2 + [{"chexpert"}] * 4


def test_one_share_is_no_figure(guided, results):
    assert draw(results) is None
    full = {name: {**entry, "ratio": 1.0} for name, entry in guided.lists.items()}
    assert draw(replace(guided, lists=full)) is None
    gone = guided.summary[~guided.summary["metric"].str.endswith("_gap")]
    assert draw(replace(guided, summary=gone)) is None


def test_a_panel_of_which_all_is_hidden_says_so(guided):
    sex = guided.summary["attribute"].eq("sex")
    hidden = guided.summary.assign(value=guided.summary["value"].mask(sex))
    axes = draw(replace(guided, summary=hidden)).axes
    said = [[text.get_text() for text in a.texts] for a in axes[:8]]
    assert said == [["undefined or hidden"]] * 4 + [[]] * 4
