"""Overall accuracy against equality of opportunity: one point a variant."""

import numpy as np
from matplotlib.figure import Figure

from cxrfair import comparisons, metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.figures import _tradeoff as tradeoff

TITLE = "Accuracy against EOM"
CAPTION = (
    "Mean over labels and seeds, with intervals: accuracy on all test images against EOM, for each "
    "attribute. EOM is the smallest over the largest share found among groups, averaged over both "
    "classes; 1 is best. The better corner is shaded. As Figure 3 of the Stride-Net paper."
)
SECTION = "fairness"
ACROSS, UP = "accuracy", "eom"
FEWEST_VARIANTS = 3  # two points say nothing that the table of comparisons does not


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set (rows) and attribute (columns).

    None with fewer than three variants, and where accuracy or EOM was not asked for.
    """
    variants = list(study.study.variants)
    if len(variants) < FEWEST_VARIANTS or not {ACROSS, UP} <= set(study.summary["metric"]):
        return None
    datasets, attributes = study.study.datasets, study.study.attributes
    width, height = tradeoff.PANEL_INCHES
    wide = max(width * len(attributes), 2 * width)
    above = style.legend_inches(tradeoff.legend_names(variants), wide)
    figure = Figure((wide, above + height * len(datasets)))
    grid = figure.subplots(len(datasets), len(attributes), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        overall = tradeoff.values(study, datasets[i], ACROSS, "all")
        between = tradeoff.values(study, datasets[i], UP, attributes[j])
        tradeoff.points(axes, overall, between, study, lower_is_better=False)
        axes.set_xlabel(f"{metrics.title(ACROSS)}, all images")
        axes.set_ylabel(comparisons.title(UP))
        axes.set_title(style.named(study, attributes[j], datasets[i]))
        style.tag(axes, datasets[i])
    style.legend(figure)
    return figure
