"""Where networks look in images, without what few test images tell."""

import numpy as np
import pandas as pd

from cxrfair.report.suppression._rows import COUNTS, DIGITS, NOTE, is_between

NUMBERS = (
    *("value", "ci_low", "ci_high", "expected", "elsewhere", "lift", "lift_low", "lift_high"),
    *("difference", "difference_low", "difference_high"),
)
BLANK = "blank"  # images of which a map is the same everywhere


def hide_places(rows: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Empty rows of LOCALISATION or OVERLAP that few images or patients are behind, and all counts.

    Counts of images with a mask go everywhere: how many were drawn is known, and so is what is
    left of them. Numbers are means of shares of areas, of which no count can be worked out.
    """
    few = is_between(rows["n"], smallest) | is_between(rows["n_patients"], smallest)
    counted = [name for name in (*COUNTS, BLANK) if name in rows]
    numbers = [name for name in NUMBERS if name in rows]
    found = rows.astype(dict.fromkeys(counted, "Int64"))
    found[numbers] = found[numbers].round(DIGITS)
    found.loc[few, numbers] = np.nan
    found.loc[:, counted] = pd.NA
    return found.assign(note=found["note"].mask(few, NOTE))
