"""What was outlined in a few simulated X-rays."""

from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _sights as sights
from cxrfair.report.figures import _style as style

TITLE = "What is outlined"
CAPTION = (
    "Simulated test images with an annotation, a few of each label, chosen by chance. Lines: the "
    "outline of that label (several boxes, circles or masks of an image are one), at the size that "
    "networks see. Maps are held against such outlines; none of these images was learnt from. "
    "Pictures of patients are never in a report."
)
SECTION = "looks"
ACROSS, MOST = 4, 12  # panels in a row, and in all
PANEL_INCHES, GAP_INCHES = 1.7, 0.4
OUTLINE = "outline of the label"


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel an image and label; None without simulated images that have an outline."""
    shown = sights.shown(study)
    if not shown:
        return None
    each = max(1, MOST // len(shown))
    panels = [(d, i) for d, of in shown.items() for i in sights.chosen(of.labels, each)]
    rows = -(-len(panels) // ACROSS)
    width = PANEL_INCHES * ACROSS
    above = style.legend_inches([OUTLINE], width)
    figure = Figure((width, above + (PANEL_INCHES + GAP_INCHES) * rows))
    grid = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for axes, (dataset, image) in zip(grid, panels, strict=False):
        of = shown[dataset]
        sights.picture(axes, of.pixels[image], of.masks[image])
        of_label = style.named(study, of.labels[image], dataset)
        # A line each: a panel is hardly wider than one of the names.
        axes.set_title(of_label.replace(" \N{MIDDLE DOT} ", "\n"), fontsize=7.5)
        style.tag(axes, dataset)
    for axes in grid[len(panels) :]:
        figure.delaxes(axes)
    grid[0].plot([], [], color=sights.LINE, label=OUTLINE)
    style.legend(figure)
    return figure
