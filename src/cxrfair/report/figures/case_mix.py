"""Gaps between groups as they are, and where the groups are made alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.statistics.cells import BETWEEN

Array = NDArray[np.float64]
TITLE = "Does the gap stay when groups are made alike?"
CAPTION = (
    "Mean over labels and seeds of the gap between groups, with intervals: on the test images as "
    "they are, with the same share of positives in every group, and with the same mixture of "
    "label and all other attributes. A gap that moves to the left was the groups' mixture; one "
    "that stays is the model's, as far as the attributes tell. Groups too small to be matched "
    "enter none of the three. A gap is never below zero, and chance alone makes one."
)
SECTION = "case_mix"
METRICS = ("auroc_gap", "tpr_gap", "ppv_gap")
LOOKS = {  # colour, marker, name for readers
    "as_is": (style.QUIET, "o", "As they are"),
    "prevalence": (style.COLOURS[4], "s", "Same prevalence"),
    "case_mix": (style.COLOURS[0], "D", "Same case mix"),
}
ROW_INCHES, PANEL_INCHES = 0.42, 0.85


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set and metric (rows) and attribute (columns)."""
    mean = study.matched["label"].eq("mean") & study.matched["group"].eq(BETWEEN)
    rows = study.matched[mean & study.matched["metric"].isin(METRICS)]
    names = [name for name in METRICS if name in set(rows["metric"])]
    if not names:
        return None
    attributes = study.study.attributes
    panels = [(dataset, name) for dataset in study.study.datasets for name in names]
    height = PANEL_INCHES + ROW_INCHES * len(study.study.variants)
    size = (1.2 + 2.9 * len(attributes), 0.5 + height * len(panels))
    figure = Figure(size)
    grid = figure.subplots(len(panels), len(attributes), squeeze=False, sharex="row")
    for (i, j), axes in np.ndenumerate(grid):
        dataset, name = panels[i]
        across = rows[rows["dataset"].eq(dataset) & rows["metric"].eq(name)]
        _panel(axes, across[across["attribute"].eq(attributes[j])], study, first=j == 0)
        axes.set_xlim(*_range(across))
        axes.set_title(style.named(study, attributes[j], dataset))
        axes.set_xlabel(f"{metrics.title(name)} ({study.confidence:.0%} interval)")
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    """Span no gap and all gaps with their intervals."""
    largest = rows[["value", "ci_high"]].max().max()
    most = float(largest) if largest > 0 else 1.0
    return -0.02 * most, 1.04 * most


def _panel(axes: Axes, rows: pd.DataFrame, study: StudyResults, *, first: bool) -> None:
    """Draw each variant's gaps, one below the other, joined by a line."""
    variants = list(study.study.variants)
    sets = [name for name in LOOKS if name in set(rows["test_set"])] or list(LOOKS)
    placed = rows.set_index(["test_set", "variant"])
    listed = [placed.reindex([(name, variant) for variant in variants]) for name in sets]
    value = np.array([here["value"].to_numpy(float) for here in listed])
    place = np.arange(len(variants)) + np.linspace(-0.24, 0.24, len(sets))[:, None]
    axes.plot(value, place, color=style.QUIET, linewidth=1, alpha=0.45, zorder=1)
    for name, here, x, y in zip(sets, listed, value, place, strict=True):
        colour, marker, said = LOOKS[name]
        low, high = here["ci_low"].to_numpy(float), here["ci_high"].to_numpy(float)
        axes.hlines(y, low, high, color=colour, linewidth=1.6, alpha=0.7)
        axes.scatter(x, y, s=24, marker=marker, color=colour, zorder=3, label=said)
    _furnish(axes, variants, value, first=first)


def _furnish(axes: Axes, variants: Sequence[str], value: Array, *, first: bool) -> None:
    """Draw what is the same for all variants: names, the line of no gap, what is missing."""
    axes.axvline(0, color=style.INK, linewidth=0.9, zorder=2)
    axes.set_yticks(range(len(variants)), variants if first else [""] * len(variants))
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for y in np.flatnonzero(np.isnan(value).any(axis=0)):
        whole = np.isnan(value[:, y]).all()
        said = "undefined or hidden" if whole else "some undefined or hidden"
        place = (0.5, y) if whole else (0.99, y - 0.36)
        where = ("axes fraction", "data")
        side, size = "center" if whole else "right", 7.5
        axes.annotate(said, place, xycoords=where, ha=side, va="center", fontsize=size)
