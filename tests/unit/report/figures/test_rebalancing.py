"""Figures of the rebalancing paper: what is drawn where."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.report.figures import distribution, error_rates, roc_pr
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.rates import of_groups, with_fnr
from cxrfair.studies import Variant

VARIANTS = {
    "erm": Variant(method="erm"),
    "dro": Variant(method="group_dro", rebalance="resample"),
}


@pytest.fixture
def study(results, made):
    of = results.study.model_copy(update={"variants": VARIANTS})
    return replace(results, study=of, rebalanced=made.lists_of(of, n=300))


def draw(file, study):
    with mpl.rc_context(RC):
        drawn = file.draw(study)
        if drawn is not None:
            drawn.draw_without_rendering()
    return drawn


def test_bars_are_shares_of_weights_and_marks_those_before(study):
    grid = np.array(draw(distribution, study).axes).reshape(4, 4)  # 2 data sets x 2 lists
    rows = study.rebalanced.query("dataset == 'nih' and seed == 0 and attribute == 'sex'")
    shares = {
        name: (of["weight"] / of["weight"].sum()).to_numpy()
        for name, of in rows.groupby("rebalance")
    }
    for axes, name in zip(grid[:2, 0], ("none", "resample"), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], shares[name])
    marks = grid[1, 0].collections[0].get_segments()
    np.testing.assert_allclose([of[0][0] for of in marks], shares["none"])
    titles = [axes.get_title(loc="left") for axes in grid[:, 0]]
    assert titles[1] == "Sex: resample \N{MIDDLE DOT} NIH"
    assert [set(datasets_of(axes)) for axes in grid[:, 3]] == [{"nih"}] * 2 + [{"mimic"}] * 2


def test_labels_are_shares_of_all_entries(study):
    grid = np.array(draw(distribution, study).axes).reshape(4, 4)
    rows = study.rebalanced.query("dataset == 'nih' and seed == 0 and rebalance == 'none'")
    of = rows.query("attribute == 'all'").set_index("label")["weight"]
    want = [of["no_finding"] / of["any"], of["pleural_effusion"] / of["any"]]
    np.testing.assert_allclose([bar.get_width() for bar in grid[0, 3].patches], want)


def test_hidden_groups_have_no_bar(study):
    gone = study.rebalanced["attribute"].eq("sex")
    hidden = study.rebalanced.assign(weight=study.rebalanced["weight"].mask(gone))
    axes = draw(distribution, replace(study, rebalanced=hidden)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["hidden", "hidden"]


def test_without_lists_nothing_is_drawn(results):
    assert draw(distribution, results) is None


def test_a_pair_of_panels_shows_every_variant_s_first_seed(results):
    axes = draw(roc_pr, results).axes
    assert len(axes) == 8  # 2 labels x 2 data sets
    for panel, curve in zip(axes[:2], ("roc", "precision_recall"), strict=True):
        lines = {line.get_label(): line for line in panel.lines}
        for name in ("erm", "dro"):
            rows = results.curves.query(
                f"dataset == 'nih' and label == 'no_finding' and curve == '{curve}'"
                f" and variant == '{name}' and seed == 0"
            )
            np.testing.assert_array_equal(lines[name].get_ydata(), rows["y"])
    assert draw(roc_pr, replace(results, curves=results.curves.iloc[:0])) is None


def test_a_curve_that_is_hidden_says_so(results):
    hidden = replace(results, curves=results.curves.assign(y=np.nan))
    assert draw(roc_pr, hidden).axes[0].texts[0].get_text() == "undefined or hidden"


def test_rates_of_a_group_are_means_over_labels(results):
    axes = draw(error_rates, results).axes
    assert [panel.get_title(loc="left")[:19] for panel in axes[:2]] == [
        "False positive rate",
        "False negative rate",
    ]
    rates = of_groups(with_fnr(results.summary), ("fnr",), results.min_group_size)
    rates = rates.query("dataset == 'nih' and variant == 'dro'").set_index("group")["value"]
    drawn = axes[1].collections[2].get_offsets()  # after the marks of erm and their legend's
    np.testing.assert_allclose(drawn[:3, 0], rates[["all", "female", "male"]])
    few = axes[1].collections[2].get_facecolors()
    assert few[3].tolist() == [1, 1, 1, 1]  # those below 20 are few
    assert few[1].tolist() != [1, 1, 1, 1]


def test_without_a_rate_there_is_no_figure(results):
    rows = results.summary
    assert draw(error_rates, replace(results, summary=rows[rows["metric"] != "tpr"])) is None
