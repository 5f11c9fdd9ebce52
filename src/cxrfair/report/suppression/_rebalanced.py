"""What training lists hold, without what would tell of small groups."""

import numpy as np
import pandas as pd

from cxrfair.report.composition import ANY
from cxrfair.report.suppression._groups import Hidden, Uncounted
from cxrfair.report.suppression._rows import NOTE, Mask, is_hidden
from cxrfair.statistics.cells import ALL, BETWEEN

NUMBERS = ("n", "n_images")


def hide_rebalanced(rows: pd.DataFrame, hidden: Hidden, secret: Uncounted) -> pd.DataFrame:
    """Empty all groups of an attribute of which one is hidden, and hidden labels.

    What is left of a list are the others: were some shown, the rest would tell how a list treats
    those hidden. A label without counts elsewhere (`secret`) has none here. How many different
    images a list holds stays of all of them alone.
    """
    mask = untold(rows, hidden, secret)
    whole = rows["attribute"].eq(ALL) & rows["label"].eq(ANY)
    found = rows.astype(dict.fromkeys(NUMBERS, "Int64"))
    found.loc[mask, list(NUMBERS)] = pd.NA
    found.loc[~whole.to_numpy(bool), "n_images"] = pd.NA
    return found.assign(weight=found["weight"].mask(mask), note=found["note"].mask(mask, NOTE))


def untold(rows: pd.DataFrame, hidden: Hidden, secret: Uncounted) -> Mask:
    """Tell which rows are of an attribute with a hidden group, or of a label not to be counted."""
    group = np.where(rows["attribute"] == ALL, ALL, BETWEEN)
    keys = (rows["dataset"], rows["label"], rows["attribute"], group)
    places = [tuple(map(str, place)) for place in zip(*keys, strict=True)]
    told = {place: is_hidden(hidden, *place) for place in set(places)}
    return np.array([told[place] or place[:2] in secret for place in places], bool)
