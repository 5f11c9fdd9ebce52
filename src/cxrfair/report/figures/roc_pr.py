"""ROC and precision-recall curves of every label, all variants beside each other."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.statistics.ranked import PRECISION_RECALL, ROC

TITLE = "ROC and precision-recall"
CAPTION = (
    "Of each label all test images, every variant's first seed. Left of a pair: sensitivity "
    "against the false positive rate, by chance the diagonal; right: precision against recall, by "
    "chance the prevalence, which is the height at its right end. Intervals of the areas are those "
    "of AUROC and average precision in the tables. Steps are wide where positives are few. Of many "
    "labels only the first are shown."
)
SECTION = "overall"
AXES = {ROC: ("FPR", "TPR"), PRECISION_RECALL: ("Recall", "Precision")}
BESIDE = 2  # pairs of panels in a row
MOST = 16  # pairs
PANEL_INCHES = (2.5, 2.15)
TICKS = (0.0, 0.5, 1.0)


def draw(study: StudyResults) -> Figure | None:
    """Draw a pair of panels a label and data set; None without curves."""
    rows = study.curves[study.curves["curve"].isin(list(AXES))]
    rows = rows[rows["seed"] == study.study.seeds[0]]
    if rows.empty:
        return None
    datasets = study.study.datasets
    labels = study.study.labels[: max(1, MOST // len(datasets))]
    pairs = [(label, name) for label in labels for name in datasets]
    parts = dict(list(rows.groupby(["label", "dataset", "curve"])))
    beside = min(BESIDE, len(pairs))
    down, across = -(-len(pairs) // beside), 2 * beside
    width, height = PANEL_INCHES[0] * across, PANEL_INCHES[1] * down
    above = style.legend_inches(list(study.study.variants), width)
    figure = Figure((width, height + above))
    grid = figure.subplots(down, across, squeeze=False)
    for number, (label, dataset) in enumerate(pairs):
        for side, curve in enumerate(AXES):
            axes = grid[number // beside, 2 * (number % beside) + side]
            _panel(axes, parts.get((label, dataset, curve), rows[:0]), study, curve)
            axes.set_title(style.named(study, label, dataset) if not side else "", fontsize=8.5)
            style.tag(axes, dataset)
    for axes in grid.flat[2 * len(pairs) :]:
        figure.delaxes(axes)
    style.legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, study: StudyResults, curve: str) -> None:
    """Draw one curve of each variant, the reference on top."""
    looks = style.look(list(study.study.variants))
    ordered = rows.sort_values("point").set_index("variant")
    if curve == ROC:
        axes.plot([0, 1], [0, 1], color=style.QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    for name, (colour, marker) in looks.items():
        line = ordered[ordered.index == name]
        first = name == study.study.reference
        axes.plot(
            line["x"].astype("float64"),
            line["y"].astype("float64"),
            color=colour,
            marker=marker,
            markevery=10,
            markersize=2.8,
            linewidth=1.9 if first else 1.1,
            zorder=4 if first else 3,
            label=name,
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    axes.set_xlabel(AXES[curve][0], fontsize=8)
    axes.set_ylabel(AXES[curve][1], fontsize=8)
    axes.set_xticks(TICKS)
    axes.set_yticks(TICKS)
    if rows["y"].isna().all():
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)
