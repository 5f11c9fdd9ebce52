"""Overall accuracy against equality of opportunity: one point a variant."""

from matplotlib.figure import Figure

from cxrfair import comparisons
from cxrfair.report._results import StudyResults
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
    few = len(study.study.variants) < FEWEST_VARIANTS
    if few or not {ACROSS, UP} <= set(study.summary["metric"]):
        return None
    panels = [
        tradeoff.Panel(name, ACROSS, UP, comparisons.title(UP), lower_is_better=False)
        for name in study.study.attributes
    ]
    return tradeoff.draw(study, panels)
