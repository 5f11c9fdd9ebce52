"""AUROC of a linear probe for each attribute on each variant's features."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "What features say of groups"
CAPTION = (
    "AUROC of a linear probe for the group on frozen features, mean over groups, on test images: "
    "all of them, and those of one label value, where features say something of the group beyond "
    "the disease. Mean over seeds, from the lowest to the highest end of the seeds' intervals; a "
    "seed's value is a small dot. Dashed: chance."
)
SECTION = "leakage"
CHANCE = 0.5
ROW_INCHES, PANEL_INCHES = 0.34, 0.75
Place = tuple[str, str]  # label, within


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set (rows) and attribute (columns); None if nothing was probed."""
    rows = study.attribute_leakage
    rows = rows[(rows["fold"] == "test") & (rows["group"] == "between")]
    if rows.empty:
        return None
    datasets, attributes = study.study.datasets, study.study.attributes
    where = [
        ("any", "all"),
        *((n, w) for n in study.study.labels for w in ("positive", "negative")),
    ]
    variants = list(study.study.variants)
    height = PANEL_INCHES + style.row_inches(ROW_INCHES, len(variants)) * len(where)
    width = 1.7 + 3.1 * len(attributes)
    size = (width, style.legend_inches(variants, width) + height * len(datasets))
    figure = Figure(size, layout="constrained")
    grid = figure.subplots(len(datasets), len(attributes), squeeze=False, sharex=True, sharey=True)
    for (i, j), axes in np.ndenumerate(grid):
        here = rows[(rows["dataset"] == datasets[i]) & (rows["attribute"] == attributes[j])]
        _panel(axes, here, where, study)
        axes.set_title(style.named(study, attributes[j], datasets[i]))
        style.tag(axes, datasets[i])
    grid[0, 0].set_yticks(range(len(where)), [_name(*place, study) for place in where])
    grid[0, 0].set_ylim(len(where) - 0.4, -0.6)
    for axes in grid[-1]:
        axes.set_xlabel(f"AUROC of the probe ({study.confidence:.0%} intervals)")
    style.legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, where: Sequence[Place], study: StudyResults) -> None:
    """Draw the variants of one data set and attribute."""
    looks, index = style.look(list(study.study.variants)), pd.MultiIndex.from_tuples(where)
    for number, (variant, (colour, marker)) in enumerate(looks.items()):
        place = np.arange(len(where)) + (number - (len(looks) - 1) / 2) * 0.62 / len(looks)
        seeds = rows[rows["variant"] == variant].groupby(["label", "within"])
        here = seeds.agg({"value": "mean", "ci_low": "min", "ci_high": "max"}).reindex(index)
        axes.hlines(place, here["ci_low"], here["ci_high"], color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(here["value"], place, marker, color=colour, markersize=5, label=variant, zorder=3)
        each = rows[rows["variant"] == variant].pivot(
            index=["label", "within"], columns="seed", values="value"
        )
        for seed in each if each.shape[1] > 1 else ():
            dots = each[seed].reindex(index)
            axes.plot(dots, place, ".", color=style.INK, markersize=2, alpha=0.7, zorder=4)
    axes.axvline(CHANCE, color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.axhline(0.5, color=style.RULE, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if not rows["value"].notna().any():
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)


def _name(label: str, within: str, study: StudyResults) -> str:
    """Say which images a row is about."""
    return "All images" if within == "all" else f"{study.title(label)}: {within}"
