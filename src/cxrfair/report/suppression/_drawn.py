"""What methods leave out or draw more often, without what would tell of small groups."""

import numpy as np
import pandas as pd

from cxrfair.report.composition import ANY
from cxrfair.report.suppression._groups import Hidden, Uncounted
from cxrfair.report.suppression._rebalanced import untold
from cxrfair.report.suppression._rows import NOTE, is_between

KINDS = ("n_left_out", "n_more")
NUMBERS = ("n", *KINDS)
PLACE = ("dataset", "attribute", "label")
MODEL = ("dataset", "variant", "seed")


def hide_drawn(
    rows: pd.DataFrame, hidden: Hidden, secret: Uncounted, smallest: int
) -> pd.DataFrame:
    """Empty all groups of an attribute of which one is hidden, and hidden labels, as of lists.

    So it is where few of a group are left out, or drawn more often: then all groups of the
    attribute are emptied, for every variant and seed. Positives of a label are emptied where few of
    them are, or few of the other images.
    """
    keys, model = ([rows[name] for name in names] for names in (PLACE, MODEL))
    few = np.zeros(len(rows), bool)
    for kind in KINDS:
        # The row of all images has the most.
        whole = rows[kind].groupby(model).transform("max")
        others = (whole - rows[kind]).mask(rows["label"].eq(ANY), 0)
        few |= is_between(rows[kind], smallest) | is_between(others, smallest)
    touched = pd.Series(few, rows.index).groupby(keys).transform("any").to_numpy(bool)
    mask = untold(rows, hidden, secret) | touched
    found = rows.astype(dict.fromkeys(NUMBERS, "Int64"))
    found.loc[mask, list(NUMBERS)] = pd.NA
    return found.assign(note=found["note"].mask(mask, NOTE))
