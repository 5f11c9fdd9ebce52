"""Heads for other labels, without the labels that few test images have or lack."""

import numpy as np
import pandas as pd

from cxrfair.report.suppression._rows import COUNTS, empty, is_between


def hide_downstream(rows: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Empty rows of labels of which few test images are positive, negative or judged, and counts.

    Counts go everywhere: what is left of all test images are those not judged, who may be few.
    Where few are, `always_no` goes with the rest; elsewhere it tells the share of positives.
    """
    parts = (rows["n"], rows["n_positive"], rows["n"] - rows["n_positive"], rows["n_patients"])
    few = np.any([is_between(part, smallest) for part in parts], axis=0)
    found = empty(rows, few)
    found.loc[:, list(COUNTS)] = pd.NA
    return found
