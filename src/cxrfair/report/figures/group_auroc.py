"""AUROC of each variant in each group, with intervals."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults, in_order
from cxrfair.report.figures import _style as style

TITLE = "AUROC by group"
CAPTION = (
    "Mean over seeds with interval, for each variant; dashed: the reference variant on all test "
    "images. Right of each row: images (positives). A hollow mark: a group below "
    "the smallest size, whose interval may run out of the picture."
)
SECTION = "groups"
METRIC = "auroc"
ROW_INCHES, PANEL_INCHES = 0.30, 0.95


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a label (rows) and data set (columns); None without AUROC."""
    rows = study.summary[study.summary["metric"] == METRIC]
    if rows.empty:
        return None
    labels, datasets = study.study.labels, study.study.datasets
    groups = {name: _groups(rows[rows["dataset"] == name], study) for name in datasets}
    variants = list(study.study.variants)
    rows_inches = style.row_inches(ROW_INCHES, len(variants))
    height = PANEL_INCHES + rows_inches * max(len(listed) for listed in groups.values())
    width = 1.2 + 4.9 * len(datasets)
    figure = Figure((width, style.legend_inches(variants, width) + height * len(labels)))
    grid = figure.subplots(len(labels), len(datasets), squeeze=False, sharex=True)
    for (i, j), axes in np.ndenumerate(grid):
        of_dataset = rows[(rows["dataset"] == datasets[j]) & (rows["label"] == labels[i])]
        _panel(axes, of_dataset, groups[datasets[j]], study)
        axes.set_title(style.named(study, labels[i], datasets[j]))
        style.tag(axes, datasets[j])
    grid[0, 0].set_xlim(*_range(rows[rows["label"].isin(labels)], study))
    for axes in grid[-1]:
        axes.set_xlabel(f"AUROC ({study.confidence:.0%} interval)")
    style.legend(figure)
    return figure


def _range(rows: pd.DataFrame, study: StudyResults) -> tuple[float, float]:
    """Span all values, and the intervals of groups that are not small."""
    judged = rows[rows["group"] != "between"]
    large = judged[judged["n"].ge(study.min_group_size).fillna(False).astype(bool)]
    ends = pd.concat([judged["value"], large["ci_low"], large["ci_high"]]).dropna()
    low, high = (ends.min(), ends.max()) if len(ends) else (0.0, 1.0)
    return max(low - 0.03, -0.01), min(high + 0.03, 1.01)


def _groups(rows: pd.DataFrame, study: StudyResults) -> list[tuple[str, str]]:
    """List (attribute, group) from top to bottom, all images first."""
    found = [("all", "all")]
    for attribute in study.study.attributes:
        named = rows.loc[rows["attribute"] == attribute, "group"]
        found += [(attribute, group) for group in in_order(set(named) - {"between"})]
    return found


def _panel(
    axes: Axes, rows: pd.DataFrame, groups: Sequence[tuple[str, str]], study: StudyResults
) -> None:
    """Draw the groups of one label and data set."""
    looks = style.look(list(study.study.variants))
    placed = rows.set_index(["attribute", "group", "variant"])
    for number, (variant, (colour, marker)) in enumerate(looks.items()):
        shift = (number - (len(looks) - 1) / 2) * 0.6 / len(looks)
        here = placed.reindex([(*group, variant) for group in groups])
        small = (here["n"] < study.min_group_size).fillna(False).to_numpy(bool)
        place, value = np.arange(len(groups)) + shift, here["value"].to_numpy(float)
        low, high = here["ci_low"].to_numpy(float), here["ci_high"].to_numpy(float)
        axes.hlines(place, low, high, color=colour, linewidth=1.6, alpha=0.75)
        axes.scatter(
            value,
            place,
            s=26,
            marker=marker,
            facecolors=np.where(small, "white", colour).tolist(),
            edgecolors=colour,
            linewidths=1.2,
            zorder=3,
        )
        axes.scatter([], [], s=26, marker=marker, color=colour, label=variant)
    reference = rows[rows["variant"] == study.study.reference]
    _furnish(axes, reference.set_index(["attribute", "group"]), groups, study)


def _furnish(
    axes: Axes, reference: pd.DataFrame, groups: Sequence[tuple[str, str]], study: StudyResults
) -> None:
    """Draw what is the same for all variants: names, numbers, separators, the reference line."""
    overall = float(reference["value"].get(("all", "all"), np.nan))
    axes.axvline(overall, color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yticks(range(len(groups)), [_name(*group, study) for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    beside = axes.get_yaxis_transform()
    for place, said in enumerate(_numbers(reference, groups)):
        if place and groups[place][0] != groups[place - 1][0]:
            axes.axhline(place - 0.5, color=style.RULE, linewidth=0.8)
        axes.text(1.01, place, said, transform=beside, va="center", fontsize=7.5, color=style.QUIET)


def _name(attribute: str, group: str, study: StudyResults) -> str:
    """Write a group with its attribute."""
    return "All images" if attribute == "all" else f"{study.title(attribute)}: {group}"


def _numbers(rows: pd.DataFrame, groups: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield images (positives) of each group, or why there is nothing to see."""
    here = (
        rows[["n", "n_positive", "value"]]
        .astype("Float64")
        .reindex(pd.MultiIndex.from_tuples(groups))
    )
    there = here.index.isin(rows.index)
    for known, (n, positive, value) in zip(
        there, here.to_numpy(float, na_value=np.nan), strict=True
    ):
        if np.isnan(n):
            yield "hidden" if known else "none"
        else:
            yield f"{n:,.0f} ({positive:,.0f})" + (" undefined" if np.isnan(value) else "")
