"""How figures of guidance by outlines draw variants: blue without, red with it, green by chance."""

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex

from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.guidance import Guided

WITHOUT, FULL, AT_RANDOM = style.COLOURS[0], style.COLOURS[1], style.COLOURS[2]
SHADES, LIGHTEST, DARKEST = "OrRd", 0.45, 0.9  # of the levels, the higher the darker
WITHOUT_NAME, RANDOM_NAME = "no guidance", "random maps"


def look(of: Guided) -> tuple[str, str]:
    """Return the colour and marker of a variant; one that sets something else is grey."""
    if not of.plain:
        return style.QUIET, "D"
    if of.level == 0:
        return WITHOUT, "o"
    if of.random_maps:
        return AT_RANDOM, "^"
    shade = mpl.colormaps[SHADES](LIGHTEST + (DARKEST - LIGHTEST) * of.level)
    return to_hex(shade), "s"


def name(of: Guided) -> str:
    """Name a variant as the legend does."""
    if not of.plain:
        return of.variant
    if of.level == 0:
        return WITHOUT_NAME
    return f"{RANDOM_NAME} ({100 * of.level:g} %)" if of.random_maps else f"{100 * of.level:g} %"


def values(study: StudyResults, place: tuple[str, str, str, str]) -> pd.DataFrame:
    """Return value, ci_low and ci_high, one row a variant.

    `place` names data set, label, attribute (`all`, or whose groups a gap is between) and metric.
    """
    dataset, label, attribute, metric = place
    of = study.summary
    here = of["dataset"].eq(dataset) & of["label"].eq(label) & of["attribute"].eq(attribute)
    rows = of[here & of["metric"].eq(metric)].set_index("variant")
    ends = rows[["value", "ci_low", "ci_high"]].astype("float64")
    return ends.reindex(list(study.study.variants))
