"""Gaps with and without guidance where there is less to learn from (Figure 5 of its paper)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair import comparisons
from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _guided as guided
from cxrfair.report.figures import _style as style
from cxrfair.report.guidance import Guided

TITLE = "Guidance and the amount of training data"
CAPTION = (
    "Gaps between the groups of an attribute over the share of the training patients learnt from: "
    "red with guidance (the highest level that was trained on several shares), blue without. Lower "
    "is more alike. Means over seeds; bars are intervals over resampled test patients, drawn a "
    "little aside to be told apart. As Figure 5 of the alignment paper, which draws none."
)
SECTION = "fairness"
FEWEST_RATIOS = 2
PANEL_INCHES, ASIDE = (2.2, 1.9), 0.8  # per cent of patients between the bars of one share
ALIGNED = "with guidance ({:g} %)"
LINE: dict[str, Any] = {"linewidth": 1.3, "markersize": 5, "zorder": 3}
Family = dict[float, str]  # variants by their share of patients


def draw(study: StudyResults) -> Figure | None:
    """Draw a row a data set, judged label and attribute, a panel a gap that was asked for.

    None where no level was trained, with and without guidance, on two shares of the patients.
    """
    measures = [name for name in guidance.GAPS if (study.summary["metric"] == name).any()]
    level, without, aligned = families(study)
    if not measures or not aligned:
        return None
    rows = [
        (dataset, label, attribute)
        for dataset in study.study.datasets
        for label in guidance.judged(study, dataset)
        for attribute in study.study.attributes
    ]
    names = [guided.WITHOUT_NAME, ALIGNED.format(100 * level)]
    width = PANEL_INCHES[0] * max(len(measures), 2)
    height = style.legend_inches(names, width) + PANEL_INCHES[1] * len(rows)
    figure = Figure((width, height))
    grid = figure.subplots(len(rows), len(measures), squeeze=False)
    looks = ((guided.WITHOUT, "o", -1), (guided.FULL, "s", 1))
    for (i, j), axes in np.ndenumerate(grid):
        for of, name, look in zip((without, aligned), names, looks, strict=True):
            values = guided.values(study, (*rows[i], measures[j]))
            _line(axes, of, values, (name, *look))
        _finish(axes, sorted(without))
        axes.set_ylabel(comparisons.title(measures[j]))
        if j == 0:
            axes.set_title(_title(study, rows[i]), fontsize=9)
        if i == len(rows) - 1:
            axes.set_xlabel("% of training patients")
        style.tag(axes, rows[i][0])
    style.legend(figure)
    return figure


def families(study: StudyResults) -> tuple[float, Family, Family]:
    """Find the highest level with several ratios: the level, and variants without and with it.

    Both hold the same ratios; empty, with level 0, where there is none.
    """
    of = [pair for pair in guidance.pairs(study) if _is_plain(pair.aligned)]
    for level in sorted({pair.aligned.level for pair in of}, reverse=True):
        here = [pair for pair in of if pair.aligned.level == level]
        aligned = {pair.aligned.ratio: pair.aligned.variant for pair in reversed(here)}
        without = {pair.without.ratio: pair.without.variant for pair in reversed(here)}
        if len(aligned) >= FEWEST_RATIOS:
            return level, without, aligned
    return 0.0, {}, {}


def _is_plain(of: Guided) -> bool:
    return of.plain and not of.random_maps


def _line(axes: Axes, of: Family, values: pd.DataFrame, look: tuple[str, str, str, int]) -> None:
    """Join the values of a family over its ratios; `look`: name, colour, marker and side."""
    label, colour, marker, side = look
    ratios = sorted(of)
    rows = values.loc[[of[ratio] for ratio in ratios]]
    x = 100 * np.array(ratios) + side * ASIDE
    axes.vlines(x, rows["ci_low"], rows["ci_high"], color=colour, alpha=0.45, linewidth=1.3)
    axes.plot(x, rows["value"], marker=marker, color=colour, label=label, **LINE)


def _finish(axes: Axes, ratios: Sequence[float]) -> None:
    """Mark the ratios, start gaps at 0, and say where nothing is known."""
    axes.margins(x=0.1)
    axes.set_xticks([100 * ratio for ratio in ratios])
    shown = [np.asarray(line.get_ydata(), np.float64) for line in axes.lines]
    if not np.isfinite(np.concatenate(shown)).any():
        axes.set_yticks([])
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)
        return
    axes.set_ylim(bottom=0)


def _title(study: StudyResults, row: tuple[str, str, str]) -> str:
    dataset, label, attribute = row
    return style.named(study, f"{study.title(label)}, by {attribute}", dataset)
