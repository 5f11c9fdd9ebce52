"""False positive and false negative rates of every group, the reference beside the others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults, in_order
from cxrfair.report.figures import _style as style
from cxrfair.report.rates import of_groups, with_fnr
from cxrfair.statistics.cells import ALL

TITLE = "Error rates by group"
CAPTION = (
    "False positive and false negative rate of each group, means over labels and seeds, at the "
    "thresholds fitted on validation images; lower is better, and even is fair. Over the labels "
    "for which every group of the attribute has a rate, but for those below the smallest size, "
    "whose marks are hollow. Dashed: the reference variant on all test images. Right of each row: "
    "images, labels. Intervals are those of single labels, in the table of groups. FNR is 1 - TPR."
)
SECTION = "groups"
RATES = {"fpr": "False positive rate", "fnr": "False negative rate"}
ROW_INCHES, PANEL_INCHES, COLUMN_INCHES = 0.30, 0.8, 4.4
NOTHING = "undefined or hidden"
Group = tuple[str, str]


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set (rows) and rate (columns); None without both rates."""
    rows = of_groups(with_fnr(study.summary), tuple(RATES), study.min_group_size)
    if set(rows["metric"]) != set(RATES):
        return None
    datasets, variants = study.study.datasets, list(study.study.variants)
    groups = {name: _groups(rows[rows["dataset"] == name], study) for name in datasets}
    each = style.row_inches(ROW_INCHES, len(variants))
    height = PANEL_INCHES + each * max(len(listed) for listed in groups.values())
    width = 1.4 + COLUMN_INCHES * len(RATES)
    figure = Figure((width, style.legend_inches(variants, width) + height * len(datasets)))
    grid = figure.subplots(len(datasets), len(RATES), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        dataset, rate = datasets[i], list(RATES)[j]
        here = rows[rows["dataset"].eq(dataset) & rows["metric"].eq(rate)]
        _panel(axes, here, groups[dataset], study)
        if j:
            axes.set_yticklabels([""] * len(groups[dataset]))
        axes.set_title(style.named(study, rate, dataset).replace(study.title(rate), RATES[rate]))
        axes.set_xlabel("Mean over labels")
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def _groups(rows: pd.DataFrame, study: StudyResults) -> list[Group]:
    """List (attribute, group) from top to bottom, all images first."""
    found = [(ALL, ALL)]
    for attribute in study.study.attributes:
        named = rows.loc[rows["attribute"] == attribute, "group"]
        found += [(attribute, group) for group in in_order(named)]
    return found


def _panel(axes: Axes, rows: pd.DataFrame, groups: Sequence[Group], study: StudyResults) -> None:
    """Draw one rate of every group, variants below each other."""
    looks = style.look(list(study.study.variants))
    placed = rows.set_index(["attribute", "group", "variant"])
    for number, (variant, (colour, marker)) in enumerate(looks.items()):
        shift = (number - (len(looks) - 1) / 2) * 0.66 / len(looks)
        here = placed.reindex([(*group, variant) for group in groups])
        small = (here["n"] < study.min_group_size).fillna(False).to_numpy(bool)
        place, value = np.arange(len(groups)) + shift, here["value"].to_numpy(float)
        faces = np.where(small, "white", colour).tolist()
        axes.scatter(value, place, 22, facecolors=faces, edgecolors=colour, marker=marker, zorder=3)
        axes.scatter([], [], 22, marker=marker, color=colour, label=variant)
    _furnish(axes, placed, groups, study)


def _furnish(
    axes: Axes, placed: pd.DataFrame, groups: Sequence[Group], study: StudyResults
) -> None:
    """Draw what is the same for all variants: names, separators, the reference's line."""
    reference = placed.reindex([(*group, study.study.reference) for group in groups])
    value = reference["value"].to_numpy(float)
    axes.axvline(value[0], color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yticks(range(len(groups)), [_name(*group, study) for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for place, (attribute, _) in enumerate(groups):
        if place and attribute != groups[place - 1][0]:
            axes.axhline(place - 0.5, color=style.RULE, linewidth=0.8)
    beside = axes.get_yaxis_transform()
    for place, (n, labels) in enumerate(zip(reference["n"], reference["n_labels"], strict=True)):
        said = f"{'hidden' if pd.isna(n) else f'{int(n):,}'}, {int(labels)}"
        axes.text(1.01, place, said, transform=beside, va="center", fontsize=7, color=style.QUIET)
    for missing in np.flatnonzero(np.isnan(value)).tolist():
        axes.text(0.5, missing, NOTHING, transform=beside, ha="center", va="center", fontsize=7)


def _name(attribute: str, group: str, study: StudyResults) -> str:
    """Write a group with its attribute."""
    return "All images" if attribute == ALL else f"{study.title(attribute)}: {group}"
