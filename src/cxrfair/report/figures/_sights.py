"""Simulated X-rays with the outline of one label: what figures of them share.

Pictures of patients are never put in a report: of a data set that is not simulated there is none.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.sights import Sights

FRAME = (0, 1, 1, 0)  # left, right, bottom and top of a picture, row 0 on top
LINE, EDGE = "#9CE8FF", 0.9


def shown(study: StudyResults) -> Mapping[str, Sights]:
    """Return what may be drawn, by data set: of simulated ones alone, and not of none."""
    return {
        dataset: study.sights[dataset]
        for dataset in study.study.datasets
        if dataset in study.simulated and dataset in study.sights and study.sights[dataset].labels
    }


def chosen(labels: tuple[str, ...], most: int) -> list[int]:
    """Choose places, as many of each label as of the others where there are so many."""
    order = [labels[:place].count(label) for place, label in enumerate(labels)]
    return sorted(np.argsort(order, kind="stable")[:most].tolist())


def picture(axes: Axes, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Draw an X-ray and the line round its mask, without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=FRAME)
    outline(axes, mask)


def outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw the line round a mask, dark below light so that it is seen on any ground."""
    if not mask.any():
        return
    rows, columns = mask.shape
    padded = np.pad(mask, 1)  # a mask that reaches the edge is closed there
    x, y = (np.arange(-1, n + 1) + 0.5 for n in (columns, rows))
    drawn = axes.contour(
        np.clip(x / columns, 0, 1),
        np.clip(y / rows, 0, 1),
        padded.astype(float),
        levels=[0.5],
        colors=LINE,
        linewidths=EDGE,
    )
    drawn.set_path_effects([patheffects.withStroke(linewidth=2 * EDGE, foreground=style.INK)])
