"""Overall AUROC against the fairness of it: one point a variant."""

import numpy as np
from matplotlib.figure import Figure

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.figures import _tradeoff as tradeoff

TITLE = "Accuracy against fairness"
CAPTION = (
    "Mean over labels and seeds, with intervals: AUROC on all test images against the gap between "
    "groups (lower is fairer) and against the worst group (higher is fairer), for each attribute. "
    "The better corner is shaded."
)
SECTION = "fairness"
METRIC = "auroc"
FORMS = ("gap", "worst")


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set (rows), attribute and comparison (columns); None without AUROC."""
    if not {METRIC, *(f"{METRIC}_{form}" for form in FORMS)} <= set(study.summary["metric"]):
        return None
    datasets, attributes = study.study.datasets, study.study.attributes
    columns = [(a, form) for a in attributes for form in FORMS]
    width, height = tradeoff.PANEL_INCHES
    above = style.legend_inches(
        tradeoff.legend_names(list(study.study.variants)), width * len(columns)
    )
    figure = Figure((width * len(columns), above + height * len(datasets)))
    grid = figure.subplots(len(datasets), len(columns), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        attribute, form = columns[j]
        name = f"{METRIC}_{form}"
        overall = tradeoff.values(study, datasets[i], METRIC, "all")
        between = tradeoff.values(study, datasets[i], name, attribute)
        tradeoff.points(axes, overall, between, study, lower_is_better=form == "gap")
        axes.set_xlabel("AUROC, all images")
        axes.set_ylabel(metrics.title(name))
        axes.set_title(style.named(study, attribute, datasets[i]))
        style.tag(axes, datasets[i])
    style.legend(figure)
    return figure
