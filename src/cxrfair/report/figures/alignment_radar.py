"""Performance with and without guidance, measure by measure (Figure 6 of the alignment paper)."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from cxrfair import comparisons
from cxrfair.report import _words as words
from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _guided as guided
from cxrfair.report.figures import _style as style
from cxrfair.report.guidance import Pair
from cxrfair.statistics.cells import ALL

TITLE = "Performance with and without guidance"
CAPTION = (
    "All test images, a panel a label and data set; each spoke goes from 0 in the middle to 1 at "
    "the rim. Numbers at the spokes: without guidance, then with it (the highest level, on all "
    "training images). Means over seeds; bars: intervals over resampled test patients. Outwards is "
    "better. The areas mean nothing: they change with the order of the spokes. As Figure 6 of the "
    "alignment paper."
)
SECTION = "overall"
MEASURES = ("accuracy", "auroc", "tpr", "f1")
FEWEST_MEASURES = 3
ACROSS = 3  # panels in a row
PANEL_INCHES = (3.1, 2.9)
RINGS = (0.25, 0.5, 0.75, 1.0)
BESIDE = 0.05  # radians between the bars of one spoke
LINE: dict[str, Any] = {"linewidth": 1.3, "markersize": 4.5}


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set and judged label.

    None without a variant with guidance and its partner, or with fewer than three measures.
    """
    asked = [name for name in MEASURES if (study.summary["metric"] == name).any()]
    pair = fullest(study)
    if pair is None or len(asked) < FEWEST_MEASURES:
        return None
    panels = [(d, label) for d in study.study.datasets for label in guidance.judged(study, d)]
    across = min(ACROSS, max(len(panels), 2))
    rows = -(-len(panels) // across)
    width = PANEL_INCHES[0] * across
    names = [guided.name(of) for of in (pair.without, pair.aligned)]
    figure = Figure((width, style.legend_inches(names, width) + PANEL_INCHES[1] * rows))
    polar = {"projection": "polar"}
    grid = figure.subplots(rows, across, squeeze=False, subplot_kw=polar).ravel()
    for axes, (dataset, label) in zip(grid, panels, strict=False):
        _panel(axes, study, (dataset, label), pair, asked)
        axes.set_title(style.named(study, label, dataset), pad=10)
        style.tag(axes, dataset)
    for axes in grid[len(panels) :]:
        figure.delaxes(axes)
    style.legend(figure)
    return figure


def fullest(study: StudyResults) -> Pair | None:
    """Find the pair of the highest level on the most images, by outlines and not at random."""
    found = [
        pair
        for pair in guidance.pairs(study)
        if pair.aligned.plain and not pair.aligned.random_maps
    ]
    return max(found, key=lambda of: (of.aligned.ratio, of.aligned.level), default=None)


def _panel(
    axes: PolarAxes, study: StudyResults, place: tuple[str, str], pair: Pair, asked: list[str]
) -> None:
    """Draw both variants over the measures, and write their values at the spokes."""
    every = {name: guided.values(study, (*place, ALL, name)) for name in asked}
    angles = np.linspace(0, 2 * np.pi, len(asked), endpoint=False)
    axes.set_theta_offset(np.pi / 2 - np.pi / len(asked))  # no spoke points at the title
    axes.set_theta_direction(-1)
    for of, side in ((pair.without, -1), (pair.aligned, 1)):
        colour, marker = guided.look(of)
        rows = [every[name].loc[of.variant] for name in asked]
        value, low, high = (
            np.array([row[k] for row in rows]) for k in ("value", "ci_low", "ci_high")
        )
        turn = [*range(len(asked)), 0]
        axes.plot(
            angles[turn], value[turn], marker=marker, color=colour, label=guided.name(of), **LINE
        )
        axes.fill(angles, value, color=colour, alpha=0.08)
        axes.vlines(angles + side * BESIDE, low, high, color=colour, alpha=0.6, linewidth=1.4)
    axes.set_ylim(0, 1)
    axes.set_yticks(RINGS, [f"{ring:g}" for ring in RINGS], fontsize=6, color=style.QUIET)
    axes.set_rlabel_position(-180 / len(asked))
    axes.set_xticks(angles, [_spoke(name, every[name]["value"], pair) for name in asked])
    axes.tick_params(axis="x", labelsize=7, pad=13)


def _spoke(name: str, values: Any, pair: Pair) -> str:
    """Name a measure with its values, without guidance and with it."""
    before, after = (values[of.variant] for of in (pair.without, pair.aligned))
    if np.isnan(before) or np.isnan(after):
        return f"{comparisons.title(name)}\nundefined or hidden"
    arrow = "\N{RIGHTWARDS ARROW}"
    return f"{comparisons.title(name)}\n{words.number(before)} {arrow} {words.number(after)}"
