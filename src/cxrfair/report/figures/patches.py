"""Where variants look in a few simulated X-rays, and where the findings are.

Pictures of patients are never put in a report: of a data set that is not simulated there is none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair.pictured import Examples, Seen
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "What networks look at"
CAPTION = (
    "Simulated test images with a finding, chosen by chance and the same for all variants. Tinted: "
    "the patches a network looks at (of a network that selects patches, those selected), in the "
    "colour of the phrase or label whose map is largest there; one colour where there is but one "
    "map. Thin lines: outlines of the findings, which no network was told of. First seed. A patch "
    "outside an outline is not wrong as such. Pictures of patients are never in a report."
)
SECTION = "looks"
IMAGES, MOST_VARIANTS = 4, 5
BY_WORDS = "relevance"
ONE_MAP, OTHERS = "looked at", "other labels"
TINT, PANEL_INCHES, LEFT_INCHES = 0.34, 2.05, 0.4
LINE = "#FFF3B0"
Array = NDArray[np.float64]


def draw(study: StudyResults) -> Figure | None:
    """Draw one row an image and one column a variant; None without simulated images with maps.

    Of more than five variants, the reference and those whose maps are of words come first.
    """
    shown = {
        dataset: study.examples[dataset]
        for dataset in study.study.datasets
        if dataset in study.simulated and dataset in study.examples
    }
    shown = {dataset: of for dataset, of in shown.items() if len(of.pixels) and of.seen}
    if not shown:
        return None
    variants = _columns(study, shown)
    each = max(1, IMAGES // len(shown))
    rows = [(d, i) for d, of in shown.items() for i in range(min(each, len(of.pixels)))]
    colours = _colours([of.seen[v] for of in shown.values() for v in variants if v in of.seen])
    width = LEFT_INCHES + PANEL_INCHES * len(variants)
    above = style.legend_inches(list(colours), width)
    figure = Figure((width, above + 0.25 + (PANEL_INCHES + 0.06) * len(rows)))
    grid = figure.subplots(len(rows), len(variants), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        (dataset, image), variant = rows[i], variants[j]
        _panel(axes, shown[dataset], image, variant, colours)
        if i == 0:
            axes.set_title(study.title(variant))
        if j == 0:
            axes.set_ylabel(study.title(dataset))
        style.tag(axes, dataset)
    for name, colour in colours.items():
        grid[0, 0].scatter([], [], s=45, marker="s", color=colour, label=name)
    style.legend(figure)
    return figure


def phrase(name: str) -> str:
    """Say what a map is of: `not no_finding` is a finding, `not edema` is no edema."""
    plain = name.replace("_", " ")
    if plain.startswith("not no "):
        return plain.removeprefix("not no ")
    return f"no {plain.removeprefix('not ')}" if plain.startswith("not ") else plain


def _columns(study: StudyResults, shown: Mapping[str, Examples]) -> list[str]:
    """Choose variants, in the order of the study."""
    seen = {name: each for of in shown.values() for name, each in of.seen.items()}
    there = [name for name in study.study.variants if name in seen]

    def rank(name: str) -> bool:
        return name != study.study.reference and seen[name].kind != BY_WORDS

    chosen = sorted(there, key=rank)[:MOST_VARIANTS]
    return [name for name in there if name in chosen]


def _names(seen: Seen) -> list[str]:
    """Name the maps of a variant for readers."""
    return [phrase(name) for name in seen.of] if len(seen.of) > 1 else [ONE_MAP]


def _colours(seen: Sequence[Seen]) -> dict[str, str]:
    """Give each map a colour, those that are largest most often first; one for all the rest."""
    often: Counter[str] = Counter()
    for each in seen:
        names = _names(each)
        count = np.bincount(each.largest[each.cells], minlength=len(names))
        often.update(dict(zip(names, count.tolist(), strict=True)))
    used = [name for name, count in often.most_common() if count]
    colours = style.COLOURS[:-1]
    if len(used) <= len(colours):
        return dict(zip(used, colours, strict=False))
    first = dict(zip(used, colours[:-1], strict=False))
    return {**first, OTHERS: colours[-1]}


def _panel(axes: Axes, of: Examples, image: int, variant: str, colours: Mapping[str, str]) -> None:
    """Draw one X-ray, where a variant looks, and the findings."""
    frame = (0, 1, 1, 0)
    axes.imshow(of.pixels[image], cmap="gray", vmin=0, vmax=255, extent=frame)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    if variant in of.seen:
        _tint(axes, of.seen[variant], image, colours)
    for finding, mask in zip(of.findings, of.masks[image], strict=True):
        if mask.any():
            _outline(axes, mask, finding.replace("_", " "))


def _tint(axes: Axes, seen: Seen, image: int, colours: Mapping[str, str]) -> None:
    """Tint the cells looked at, and draw a line round each."""
    cells, names = seen.cells[image], _names(seen)
    known = [to_rgb(colours.get(name, colours.get(OTHERS, style.QUIET))) for name in names]
    colour = np.array(known)[seen.largest[image]]
    rgba = np.concatenate([colour, TINT * cells[..., None]], axis=-1)
    axes.imshow(rgba, extent=(0, 1, 1, 0), interpolation="nearest")
    row, column = np.nonzero(cells)
    axes.add_collection(LineCollection(_boxes(row, column, cells.shape), colors=colour[cells]))


def _boxes(row: NDArray[np.intp], column: NDArray[np.intp], grid: tuple[int, ...]) -> list[Array]:
    """Return the corners of cells, a little inside them, in shares of the image."""
    corner = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) * 0.96 + 0.02
    start = np.stack([column, row], axis=1)[:, None, :] + corner
    return list(start / np.array([grid[1], grid[0]]))


def _outline(axes: Axes, mask: NDArray[np.bool_], name: str) -> None:
    """Draw the edge of a finding and write its name at its top."""
    rows, columns = mask.shape
    x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    axes.contour(x, y, mask.astype(float), levels=[0.5], colors=LINE, linewidths=0.9)
    top = int(np.flatnonzero(mask.any(axis=1))[0])
    middle = float(np.flatnonzero(mask[top]).mean() + 0.5) / columns
    dark = [patheffects.withStroke(linewidth=1.6, foreground=style.INK)]
    place = (float(np.clip(middle, 0.2, 0.8)), max(top / rows - 0.01, 0.06))
    axes.text(*place, name, color=LINE, fontsize=6.5, ha="center", path_effects=dark)
