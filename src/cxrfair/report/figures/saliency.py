"""What speaks for a label, and what for an attribute, in a few simulated X-rays (Figure 4).

Pictures of patients are never put in a report: of a data set that is not simulated there is none.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair.pictured_saliency import Panels
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "What speaks for the diagnosis, and what for the attribute"
CAPTION = (
    "Simulated test images with a finding, chosen by chance and the same for all variants. Of each "
    "variant: the picture as its network sees it (behind a generator, a changed one), Grad-CAM of "
    "the label's logit, and Grad-CAM of what a linear probe on the same features reads of the "
    "attribute, each of the side that the picture as a whole speaks for. The probe is fitted on "
    "training images, the same way for every variant; the paper uses a discriminator of its own "
    "method, and does not say what for vanilla. Each map from 0 (clear) to its own largest value; "
    "one without colour is the same everywhere. Thin lines: outlines of the findings, which no "
    "network was told of. First seed, first label, first attribute; of several variants of a "
    "method, the first one. A map does not show that the answer changes with what it points at. "
    "Pictures of patients are never in a report."
)
SECTION = "looks"
IMAGES, MOST_VARIANTS, PARTS = 3, 4, 3
PANEL_INCHES, LEFT_INCHES, TOP_INCHES, GAP_INCHES = 0.98, 0.3, 0.62, 0.05
SEEN, HEAT, LINE = "seen", "magma", "#9CE8FF"


def draw(study: StudyResults) -> Figure | None:
    """Draw one row an image and three columns a variant; None without simulated images with maps.

    Of more than four variants, the reference and those that change the picture come first.
    """
    shown = {
        dataset: study.panels[dataset]
        for dataset in study.study.datasets
        if dataset in study.simulated and dataset in study.panels
    }
    shown = {dataset: of for dataset, of in shown.items() if len(of.masks) and of.seen}
    if not shown:
        return None
    variants = _columns(study, shown)
    each = max(1, IMAGES // len(shown))
    rows = [(d, i) for d, of in shown.items() for i in range(min(each, len(of.masks)))]
    width = LEFT_INCHES + PANEL_INCHES * PARTS * len(variants)
    figure = Figure((width, TOP_INCHES + (PANEL_INCHES + GAP_INCHES) * len(rows)))
    grid = figure.subplots(len(rows), PARTS * len(variants), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        (dataset, image), (place, part) = rows[i], divmod(j, PARTS)
        _panel(axes, shown[dataset], (variants[place], image, part))
        if i == 0:
            of = shown[dataset]
            what = (SEEN, study.title(of.names[0]), study.title(of.names[1]))[part]
            head = study.title(variants[place]) if part == 0 else ""
            axes.set_title(f"{head}\n{what}", fontsize=7.5)
        if j == 0:
            axes.set_ylabel(study.title(dataset), fontsize=7.5)
        style.tag(axes, dataset)
    return figure


def _columns(study: StudyResults, shown: Mapping[str, Panels]) -> list[str]:
    """Choose variants, one a method, in the order of the study."""
    reference = study.study.reference
    there = {name for of in shown.values() for name in of.seen}
    first: dict[str | None, str] = {}
    for name in (reference, *study.study.variants):
        if name in there:
            first.setdefault(study.study.variants[name].method, name)

    def rank(name: str) -> int:
        changes = any(of.changes(name) for of in shown.values())
        return 0 if name == reference else 2 - changes

    chosen = sorted(first.values(), key=rank)[:MOST_VARIANTS]
    return [name for name in study.study.variants if name in chosen]


def _panel(axes: Axes, of: Panels, what: tuple[str, int, int]) -> None:
    """Draw one X-ray as a variant sees it, under a map where `part` is one, and the findings."""
    variant, image, part = what
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    if variant not in of.seen:
        return
    frame = (0, 1, 1, 0)
    axes.imshow(of.seen[variant][image], cmap="gray", vmin=0, vmax=255, extent=frame)
    if part:
        heat = of.maps[variant][part - 1, image]
        axes.imshow(heat, cmap=HEAT, vmin=0, vmax=255, alpha=0.75 * (heat / 255), extent=frame)
    if of.masks[image].any():
        _outline(axes, of.masks[image])


def _outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw the edge of the findings."""
    rows, columns = mask.shape
    x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    axes.contour(x, y, mask.astype(float), levels=[0.5], colors=LINE, linewidths=0.7)
