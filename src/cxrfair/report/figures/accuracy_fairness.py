"""Overall AUROC against the fairness of it: one point a variant."""

from matplotlib.figure import Figure

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _tradeoff as tradeoff

TITLE = "Accuracy against fairness"
CAPTION = (
    "Mean over labels and seeds, with intervals: AUROC on all test images against the gap between "
    "groups (lower is fairer) and against the worst group (higher is fairer), for each attribute. "
    "The better corner is shaded."
)
SECTION = "fairness"
METRIC = "auroc"
FORMS = {form: f"{METRIC}_{form}" for form in ("gap", "worst")}


def draw(study: StudyResults) -> Figure | None:
    """Draw one panel a data set (rows), attribute and comparison (columns); None without AUROC."""
    if not {METRIC, *FORMS.values()} <= set(study.summary["metric"]):
        return None
    panels = [
        tradeoff.Panel(attribute, METRIC, name, metrics.title(name), lower_is_better=form == "gap")
        for attribute in study.study.attributes
        for form, name in FORMS.items()
    ]
    return tradeoff.draw(study, panels)
