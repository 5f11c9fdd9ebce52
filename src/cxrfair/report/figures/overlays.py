"""Where the maps of variants point in a few simulated X-rays, and where the finding is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _sights as sights
from cxrfair.report.figures import _style as style
from cxrfair.sights import Sights

TITLE = "Where maps point"
CAPTION = (
    "Simulated test images with an outlined finding, chosen by chance and the same for all "
    "variants. First column: the picture with the outline of the label; the others: each variant's "
    "map of that label, from its least value (clear) to its own largest, on its own grid. Marks: "
    "where the map is largest, inside the outline (hit) or outside (miss); a map that is the same "
    "everywhere has none. First seed. A map that meets the outline need not be what the answer "
    "rests on. Pictures of patients are never in a report."
)
SECTION = "looks"
IMAGES, MOST_VARIANTS = 6, 6
PANEL_INCHES, GAP_INCHES, LEFT_INCHES = 1.2, 0.05, 0.35
HEAT, STRONGEST = "inferno", 0.75
HIT, MISS = "hit", "miss"
MARKS: dict[str, dict[str, Any]] = {
    name: {"marker": marker, "color": colour, "s": 36, "edgecolors": style.INK, "linewidths": 0.7}
    for name, marker, colour in ((HIT, "o", style.COLOURS[5]), (MISS, "X", style.COLOURS[4]))
}
Grid = NDArray[np.float32]


def draw(study: StudyResults) -> Figure | None:
    """Draw one row an image and label, one column a variant; None without simulated images.

    Of many variants those come first that are guided to another level on all images.
    """
    shown = {d: of for d, of in sights.shown(study).items() if of.maps}
    if not shown:
        return None
    variants = _columns(study, shown)
    each = max(1, IMAGES // len(shown))
    rows = [(d, i) for d, of in shown.items() for i in sights.chosen(of.labels, each)]
    width = LEFT_INCHES + PANEL_INCHES * (1 + len(variants))
    above = style.legend_inches(list(MARKS), width)
    figure = Figure((width, above + 0.3 + (PANEL_INCHES + GAP_INCHES) * len(rows)))
    grid = figure.subplots(len(rows), 1 + len(variants), squeeze=False)
    for (dataset, image), line in zip(rows, grid, strict=True):
        of = shown[dataset]
        for axes, variant in zip(line, ("", *variants), strict=True):
            sights.picture(axes, of.pixels[image], of.masks[image])
            if variant in of.maps:
                _overlay(axes, of.maps[variant][image], of.masks[image])
            style.tag(axes, dataset)
        line[0].set_ylabel(_row_title(study, dataset, of.labels[image]), fontsize=7)
    for axes, variant in zip(grid[0], ("", *variants), strict=True):
        axes.set_title(study.title(variant) if variant else "Outlined", fontsize=7.5)
    for name, mark in MARKS.items():
        grid[0, 0].scatter([], [], label=name, **mark)
    style.legend(figure)
    return figure


def largest(values: Grid) -> NDArray[np.float64]:
    """Return the centres (m, 2), as x and y shares of the image, of the cells that are largest.

    Of a map (rows, columns) that is the same everywhere there is none.
    """
    if values.size > 1 and values.min() == values.max():
        return np.empty((0, 2))
    row, column = np.nonzero(values == values.max())
    rows, columns = values.shape
    return np.stack([(column + 0.5) / columns, (row + 0.5) / rows], axis=1)


def inside(points: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which points (m, 2) lie in a pixel of a mask (height, width)."""
    height, width = mask.shape
    column, row = (np.floor(points * (width, height)).astype(int)).T
    return np.asarray(mask[row, column], np.bool_)


def _columns(study: StudyResults, shown: Mapping[str, Sights]) -> list[str]:
    """Choose variants, in the order of the study."""
    there = {name for of in shown.values() for name in of.maps}
    every = guidance.guided(study)
    levels = [of.variant for of in guidance.at_most_images(every) if of.plain]
    names: Sequence[str] = [*levels, *study.study.variants]
    first = list(dict.fromkeys(name for name in names if name in there))[:MOST_VARIANTS]
    return [name for name in study.study.variants if name in first]


def _row_title(study: StudyResults, dataset: str, label: str) -> str:
    many = len(study.study.datasets) > 1
    return f"{study.title(label)}\n{study.title(dataset)}" if many else study.title(label)


def _overlay(axes: Axes, values: Grid, mask: NDArray[np.bool_]) -> None:
    """Draw a map over its picture, the outline over both, and where the map is largest."""
    low, high = float(values.min()), float(values.max())
    heat = (values - low) / (high - low) if high > low else np.zeros_like(values)
    axes.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=STRONGEST * heat, extent=sights.FRAME)
    sights.outline(axes, mask)
    points = largest(values)
    hit = inside(points, mask)
    for name, of in ((HIT, points[hit]), (MISS, points[~hit])):
        axes.scatter(of[:, 0], of[:, 1], zorder=4, **MARKS[name])
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
