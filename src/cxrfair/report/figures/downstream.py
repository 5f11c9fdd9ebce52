"""AUROC and accuracy of heads for other labels on each variant's frozen features."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "Heads for other labels"
CAPTION = (
    "AUROC and accuracy on test images of linear heads that were fitted anew, for labels that the "
    "networks were not trained for, on frozen features. Dashed: chance, and the accuracy of always "
    "saying no, which an accuracy is to be held against. Mean over seeds, from the lowest to the "
    "highest end of the seeds' intervals. Shown are the reference and the first variant of each "
    "other method; the table has all of them. Variants that deploy the network of another one "
    "differ from it in the pictures it is shown alone. As Figure 3 of the Fair Diagnosis paper, "
    "whose text gives most labels an AUROC of 0.65 and an accuracy of 0.80."
)
SECTION = "downstream"
METRICS = ("auroc", "accuracy")
CHANCE, BESIDE = 0.5, "chance; always no"
MOST = 6  # variants that stand beside each other at a label
INCHES, PANEL_INCHES = 8.2, 2.2
DASHED: dict[str, Any] = {"color": style.QUIET, "linewidth": 1.0, "linestyle": (0, (3, 2))}
SPREAD = 0.62  # of the room of a label, that its variants take up


def draw(study: StudyResults) -> Figure | None:
    """Draw a panel for AUROC and one for accuracy of each data set; None if no head was refitted.

    Labels go across, in the study's order; the variants are those that `shown` names.
    """
    if study.downstream.empty:
        return None
    rows = [(dataset, metric) for dataset in study.study.datasets for metric in METRICS]
    above = style.legend_inches([*shown(study), BESIDE], INCHES)
    figure = Figure((INCHES, above + PANEL_INCHES * len(rows)))
    grid = figure.subplots(len(rows), 1, squeeze=False, sharex=True)
    for (i, _), axes in np.ndenumerate(grid):
        dataset, metric = rows[i]
        here = study.downstream[study.downstream["dataset"] == dataset]
        _panel(axes, here, metric, study)
        several = len(study.study.datasets) > 1
        axes.set_title(study.title(dataset) if several and metric == METRICS[0] else "")
        axes.set_ylabel(metrics.title(metric))
        style.tag(axes, dataset)
    names = [study.title(label).replace(" ", "\n") for label in study.study.downstream]
    grid[-1, 0].set_xticks(range(len(names)), names)
    grid[-1, 0].set_xlim(-0.55, len(names) - 0.45)
    style.legend(figure)
    return figure


def shown(study: StudyResults) -> list[str]:
    """Name the reference and the first variant of each other method, `MOST` in all.

    Further variants of a method differ in a setting or a backbone, which other figures show.
    """
    of = study.study
    first = {of.variants[of.reference].method: of.reference}
    for name, variant in of.variants.items():
        if variant.method is not None:
            first.setdefault(variant.method, name)
    kept = list(first.values())[:MOST]
    return [name for name in of.variants if name in kept]


def _panel(axes: Axes, rows: pd.DataFrame, metric: str, study: StudyResults) -> None:
    """Draw the variants of one data set and metric."""
    looks, labels, names = (
        style.look(list(study.study.variants)),
        study.study.downstream,
        shown(study),
    )
    of = _mean(rows[rows["metric"] == metric])
    for number, variant in enumerate(names):
        colour, marker = looks[variant]
        x = np.arange(len(labels)) + (number - (len(names) - 1) / 2) * SPREAD / len(names)
        here = of.reindex([(label, variant) for label in labels])
        axes.vlines(x, here["ci_low"], here["ci_high"], color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(x, here["value"], marker, color=colour, markersize=5, label=variant, zorder=3)
    _beside(axes, rows, metric, study)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    if not of["value"].notna().any():
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)


def _beside(axes: Axes, rows: pd.DataFrame, metric: str, study: StudyResults) -> None:
    """Draw what knowing nothing gives: a line for AUROC, a dash a label for accuracy."""
    labels = study.study.downstream
    silent = rows[rows["metric"] == "always_no"].groupby("label")["value"].first().reindex(labels)
    value = np.full(len(labels), CHANCE) if metric == METRICS[0] else silent.to_numpy(float)
    place = np.arange(len(labels))
    axes.hlines(value, place - 0.42, place + 0.42, label=BESIDE, **DASHED)


def _mean(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds, by label and variant; intervals span those of the seeds."""
    over = {"value": "mean", "ci_low": "min", "ci_high": "max"}
    return rows.groupby(["label", "variant"]).agg(over).astype("float64")
