"""Where maps point, without what few outlined test images tell."""

import numpy as np
import pandas as pd

from cxrfair.report.suppression._coarse import round_to_room
from cxrfair.report.suppression._groups import Hidden
from cxrfair.report.suppression._rows import DIGITS, NOTE, Mask, is_between, is_hidden
from cxrfair.statistics.cells import BETWEEN

COUNTS = ("n", "n_patients")
RATES = ("value", "ci_low", "ci_high", "difference", "difference_low", "difference_high")
NUMBERS = (*RATES, "expected", "p_value")
PLACE = ["dataset", "label", "attribute"]


def hide_pointing(rows: pd.DataFrame, hidden: Hidden, smallest: int) -> pd.DataFrame:
    """Empty rows of hidden groups, of groups with few masks, gaps that these enter, and all counts.

    Counts of images with a mask go everywhere, as of LOCALISATION. But a hit rate is a fraction of
    two whole numbers: a few models' rates of the same images leave one denominator, and what those
    of the groups leave of all is a group that is hidden. So rates are shown to as many digits as
    their images allow; a gap to those of its group with the fewest.
    """
    few = _few(rows, hidden, smallest)
    groups = rows["n"].where(rows["group"].ne(BETWEEN) & rows["n"].gt(0))
    fewest = groups.groupby([rows[name] for name in PLACE]).transform("min")
    size = np.where(rows["group"].eq(BETWEEN), fewest, rows["n"]).astype(np.float64)
    found = round_to_room(rows, np.nan_to_num(size), RATES)
    found = found.astype(dict.fromkeys(COUNTS, "Int64"))
    found[list(NUMBERS)] = found[list(NUMBERS)].round(DIGITS)
    found.loc[few, list(NUMBERS)] = np.nan
    found.loc[:, list(COUNTS)] = pd.NA
    return found.assign(note=found["note"].mask(few, NOTE))


def _few(rows: pd.DataFrame, hidden: Hidden, smallest: int) -> Mask:
    """Tell which rows are of hidden groups or few masks, or of gaps that such a group enters."""
    keys = (rows[name] for name in (*PLACE, "group"))
    places = [tuple(map(str, place)) for place in zip(*keys, strict=True)]
    told = {place: is_hidden(hidden, *place) for place in set(places)}
    mask = np.array([told[place] for place in places], bool)
    mask |= is_between(rows["n"], smallest) | is_between(rows["n_patients"], smallest)
    entered = pd.Series(mask, rows.index).groupby([rows[name] for name in PLACE]).transform("any")
    found: Mask = mask | (entered & rows["group"].eq(BETWEEN)).to_numpy(bool)
    return found
