"""What guidance costs and what it buys, level by level (Figures 3 and 4 of the alignment paper)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair import comparisons, metrics
from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _guided as guided
from cxrfair.report.figures import _style as style
from cxrfair.report.guidance import Guided
from cxrfair.statistics.cells import ALL

TITLE = "Levels of guidance: performance and the gap"
CAPTION = (
    "Each point one level: the share of the outlined positive training images whose outlines "
    "guided the map, the images being as many at each. AUROC on all test images against the gap in "
    "AUROC between the groups of an attribute: further right is better, lower is more alike. Blue: "
    "no guidance; red, numbered in per cent and joined in their order: the darker the higher; "
    "green: random maps, others in every epoch; grey: other forms. Means over seeds, intervals "
    "over resampled test patients in both directions. A gap is never below 0: where there is none, "
    "chance shows one. As Figures 3 and 4 of the alignment paper, whose error bars 'show "
    "variability', of what is not said."
)
SECTION = "fairness"
ACROSS, UP = "auroc", "auroc_gap"
FEWEST_LEVELS = 2
PANEL_INCHES, FEWEST_WIDE = (3.5, 2.6), 2
INSIDE_POINTS = np.array([185.0, 130.0])  # of a panel's axes, near enough to keep numbers apart
AROUND = np.array([(9, 7), (-9, 7), (9, -7), (-9, -7), (15, 12), (-15, 12), (15, -12), (-15, -12)])
CLEAR_POINTS = 10.0  # between a number and the nearest mark or number
BARS: dict[str, Any] = {"alpha": 0.4, "linewidth": 1.2}
PATH: dict[str, Any] = {"color": style.COLOURS[1], "alpha": 0.35, "linewidth": 1.0, "zorder": 2}
NUMBER: dict[str, Any] = {
    **{"textcoords": "offset points", "ha": "center", "va": "center"},
    **{"fontsize": 6.5, "zorder": 4},
}


def draw(study: StudyResults) -> Figure | None:
    """Draw a row a data set and judged label, a panel an attribute.

    Of variants that train on the largest share of patients. None with fewer than two levels, or
    where the gap in AUROC was not asked for.
    """
    every = guidance.at_most_images(guidance.guided(study))
    asked = (
        study.summary["metric"].isin([ACROSS, UP]).any() and (study.summary["metric"] == UP).any()
    )
    if len({of.level for of in every}) < FEWEST_LEVELS or not asked:
        return None
    attributes = study.study.attributes
    rows = [(d, label) for d in study.study.datasets for label in guidance.judged(study, d)]
    width = PANEL_INCHES[0] * max(len(attributes), FEWEST_WIDE)
    above = style.legend_inches([guided.name(of) for of in every], width)
    figure = Figure((width, above + PANEL_INCHES[1] * len(rows)))
    grid = figure.subplots(len(rows), len(attributes), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        (dataset, label), attribute = rows[i], attributes[j]
        across = guided.values(study, (dataset, label, ALL, ACROSS))
        up = guided.values(study, (dataset, label, attribute, UP))
        _panel(axes, (across, up), every)
        axes.set_xlabel(f"{metrics.title(ACROSS)}, all images")
        axes.set_ylabel(comparisons.title(UP))
        what = f"{study.title(label)}, by {attribute}"
        axes.set_title(style.named(study, what, dataset), fontsize=9)
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def _panel(axes: Axes, of: tuple[pd.DataFrame, pd.DataFrame], every: list[Guided]) -> None:
    """Draw the variants with intervals, and join the levels; `of` are values across and up."""
    across, up = of
    path = sorted((each.level, each.variant) for each in every if _is_level(each))
    names = [name for _, name in path]
    axes.plot(across["value"][names], up["value"][names], **PATH)
    for each in every:
        colour, marker = guided.look(each)
        x, y = across.loc[each.variant], up.loc[each.variant]
        axes.hlines(y["value"], x["ci_low"], x["ci_high"], color=colour, **BARS)
        axes.vlines(x["value"], y["ci_low"], y["ci_high"], color=colour, **BARS)
        label = guided.name(each)
        axes.plot(x["value"], y["value"], marker, color=colour, label=label, markersize=6, zorder=3)
    axes.margins(0.12)
    places = pd.DataFrame({"x": across["value"], "y": up["value"]}).dropna()
    known = [each for each in every if each.variant in places.index]
    if not known:
        axes.set_xticks([])
        axes.set_yticks([])
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)
    _number(axes, places, [each for each in known if _is_level(each)])


def _is_level(of: Guided) -> bool:
    """Tell whether a variant is one of the levels, not an ablation."""
    return of.plain and not (of.random_maps and of.level)


def _number(axes: Axes, places: pd.DataFrame, levels: list[Guided]) -> None:
    """Write the level of each point beside it, clear of others where it can be."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    taken = (places.to_numpy(np.float64) - low) / (high - low) * INSIDE_POINTS
    marks = dict(zip(places.index, taken, strict=True))
    for of in levels:
        gaps = np.linalg.norm(marks[of.variant] + AROUND[:, None] - taken[None], axis=2).min(axis=1)
        shift = AROUND[int(np.argmax(np.minimum(gaps, CLEAR_POINTS)))]
        taken = np.vstack([taken, marks[of.variant] + shift])
        at = (places["x"][of.variant], places["y"][of.variant])
        axes.annotate(f"{100 * of.level:g}", at, shift, **NUMBER)
