"""The cohort flow as a diagram."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "Cohort flow"
CAPTION = "Images and patients after each step, and to the right what was left out, and why."
SECTION = "cohort"
STEP_INCHES = 0.95


def draw(study: StudyResults) -> Figure:
    """Draw one column a data set."""
    steps = max(len(flow) + _source(flow) for flow in study.flows.values())
    size = (5.4 * len(study.flows), 0.6 + STEP_INCHES * steps)
    figure = Figure(size, layout="constrained")
    columns = figure.subplots(1, len(study.flows), squeeze=False)[0]
    for axes, (dataset, flow) in zip(columns, study.flows.items(), strict=True):
        _column(axes, flow.sort_values("position", ignore_index=True), steps)
        axes.set_title(study.title(dataset))
        style.tag(axes, dataset)
    return figure


def _column(axes: Axes, flow: pd.DataFrame, steps: int) -> None:
    """Draw one data set from top to bottom; axes units: 1 across, 1 a step down."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(steps - 0.5, -0.5)
    first = _source(flow)
    if first:
        _box(axes, 0.26, 0, f"Source\n{int(flow['images_in'].iloc[0]):,} images", style.INK)
    last = first + len(flow) - 1
    for place, row in enumerate(flow.itertuples(), start=first):
        if place:
            _arrow(axes, (0.26, place - 0.68), (0.26, place - 0.32))
        _aside(axes, place, int(str(row.images_lost)), row.why)
        images, patients = int(str(row.images_out)), int(str(row.patients_out))
        step = textwrap.shorten(str(row.step), 40, placeholder="\N{HORIZONTAL ELLIPSIS}")
        text = f"{step}\n{images:,} images \N{MIDDLE DOT} {patients:,} patients"
        _box(axes, 0.26, place, text, style.COLOURS[0] if place == last else style.QUIET)


def _source(flow: pd.DataFrame) -> int:
    """Return 1 if the source needs a box of its own: its first step already loses images."""
    return int(flow["images_lost"].iloc[0] > 0)


def _aside(axes: Axes, place: int, lost: int, why: object) -> None:
    """Say to the right what a step left out, or, where nothing, what it found."""
    if lost:
        _arrow(axes, (0.26, place - 0.5), (0.53, place - 0.5))
        reason = why if isinstance(why, str) else "left out"
        said = textwrap.fill(f"\N{MINUS SIGN}{lost:,} images: {reason}", 34)
        axes.text(0.545, place - 0.5, said, va="center", fontsize=7.5, color="#8a3b12")
    elif isinstance(why, str):
        found = textwrap.fill(why, 34)
        axes.text(0.545, place, found, va="center", fontsize=7.5, color=style.QUIET)


def _box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Draw a rounded box around a text."""
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour}
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.4, bbox=frame)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow."""
    head = {"arrowstyle": "-|>", "color": style.QUIET, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=head)
