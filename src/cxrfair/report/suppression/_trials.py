"""Trials without what small groups enter, and to the digits a page shows."""

import numpy as np
import pandas as pd

from cxrfair.report.suppression._coarse import Least, coarsen
from cxrfair.report.suppression._groups import Hidden
from cxrfair.report.suppression._rows import NOTE, is_hidden, rounded
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.judgement import MEAN

PLACE = ["dataset", "label", "attribute", "group"]


def hide_trials(rows: pd.DataFrame, hidden: Hidden, fewest: Least) -> pd.DataFrame:
    """Empty trials of comparisons that a group enters which is hidden for some label.

    All are means over labels, and to as few digits as the one of the fewest images allows.
    """
    group = np.where(rows["attribute"] == ALL, ALL, BETWEEN)
    placed = rows.assign(label=MEAN, group=group)
    places = list(placed[PLACE].itertuples(index=False, name=None))
    told = {place: is_hidden(hidden, *place) for place in set(places)}
    mask = np.array([told[place] for place in places], bool)
    found = rounded(coarsen(placed, fewest)).drop(columns=["label", "group"])
    return found.assign(value=found["value"].mask(mask), note=found["note"].mask(mask, NOTE))
