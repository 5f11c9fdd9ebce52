"""What methods that change pictures do to a few simulated X-rays."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.pictured_saliency import Panels
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

TITLE = "What is done to pictures"
CAPTION = (
    "Simulated test images, chosen by chance and the same for all variants: the picture as it is, "
    "and of each variant that changes pictures its mask (red: brighter, blue: darker, up to the "
    "largest change of the variant, which its column states in shares of the image range) and what "
    "its network sees. First seed; of several variants of a method, the first ones. A mask that "
    "looks like a finding, or the same in all images, deserves a second look: it may write answers "
    "into pictures. Pictures of patients are never in a report."
)
SECTION = "looks"
IMAGES, MOST_VARIANTS = 3, 3
PANEL_INCHES, LEFT_INCHES, TOP_INCHES, GAP_INCHES = 1.1, 0.3, 0.55, 0.05
CHANGE = "RdBu_r"


def draw(study: StudyResults) -> Figure | None:
    """Draw one row an image, two columns a variant; None where no variant changes any picture."""
    shown = {
        dataset: of
        for dataset, of in study.panels.items()
        if dataset in study.simulated and len(of.stored)
    }
    variants = _columns(study, shown)
    if not variants:
        return None
    each = max(1, IMAGES // len(shown))
    rows = [(d, i) for d, of in shown.items() for i in range(min(each, len(of.stored)))]
    across = 1 + 2 * len(variants)
    height = TOP_INCHES + (PANEL_INCHES + GAP_INCHES) * len(rows)
    figure = Figure((LEFT_INCHES + PANEL_INCHES * across, height))
    grid = figure.subplots(len(rows), across, squeeze=False)
    for (dataset, image), line in zip(rows, grid, strict=True):
        of = shown[dataset]
        _picture(line[0], of.stored[image])
        line[0].set_ylabel(study.title(dataset), fontsize=7.5)
        for place, name in enumerate(variants):
            _pair(line[1 + 2 * place], line[2 + 2 * place], of, (name, image))
        for axes in line:
            style.tag(axes, dataset)
    grid[0, 0].set_title("as it is", fontsize=7.5)
    for place, name in enumerate(variants):
        most = max(_most(of, name) for of in shown.values()) / 255
        grid[0, 1 + 2 * place].set_title(f"{study.title(name)}\nup to {most:.2f}", fontsize=7.5)
        grid[0, 2 + 2 * place].set_title("seen", fontsize=7.5)
    return figure


def _columns(study: StudyResults, shown: Mapping[str, Panels]) -> list[str]:
    """Choose variants that change a picture, in the order of the study, one a method first."""
    there = [
        name for name in study.study.variants if any(of.changes(name) for of in shown.values())
    ]
    methods = [study.study.variants[name].method for name in there]
    order = sorted(range(len(there)), key=lambda i: methods[:i].count(methods[i]))
    return [there[i] for i in sorted(order[:MOST_VARIANTS])]


def _most(of: Panels, variant: str) -> int:
    """Return the largest change of a pixel by a variant, in grey levels; 0 where it has none."""
    if variant not in of.seen:
        return 0
    return int(np.abs(of.seen[variant].astype(int) - of.stored).max())


def _pair(mask: Axes, seen: Axes, of: Panels, what: tuple[str, int]) -> None:
    """Draw a variant's mask of an image, and the image behind it; nothing of a variant without."""
    variant, image = what
    if variant not in of.seen:
        _picture(mask, None)
        _picture(seen, None)
        return
    most = max(_most(of, variant), 1)
    change = of.seen[variant][image].astype(int) - of.stored[image]
    _picture(mask, None)
    mask.imshow(change, cmap=CHANGE, vmin=-most, vmax=most)
    _picture(seen, of.seen[variant][image])


def _picture(axes: Axes, grey: np.ndarray | None) -> None:
    """Draw an X-ray, or an empty panel."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    if grey is not None:
        axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
