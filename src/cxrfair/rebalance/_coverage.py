"""How well a finished training list covers the images that it leaves out."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cxrfair.config import Section
from cxrfair.rebalance._cells import cells
from cxrfair.rebalance._spread import spread
from cxrfair.rebalance._targets import Aim
from cxrfair.tables import KEPT


def coverage(
    members: pd.DataFrame,
    cohort: pd.DataFrame,
    listed: pd.DataFrame,
    config: Section,
    seed: int,
    seen: tuple[NDArray[np.float32], ...],
) -> pd.DataFrame:
    """Compare the images listed of each cell with as many drawn at random.

    Parameters
    ----------
    members, config, seed
        As the strategy was handed them.
    cohort
        Rows of `tables.COHORT`, for whose images these are.
    listed
        Rows of `tables.TRAINING_LIST`, as the strategy made them.
    seen
        The features it was handed, (n, d) in the order of the members; nothing if it read none.

    Returns
    -------
    DataFrame
        Rows of `tables.KEPT`, one a cell; none of a strategy that read no features or whose cells
        are not those of an `Aim`, or if every image is listed. Distances are those of `spread`;
        undefined where the list leaves out nothing of a cell, or keeps nothing.
    """
    kept = members["image_id"].isin(listed["image_id"]).to_numpy()
    if not seen or not isinstance(config, Aim) or kept.all():
        return KEPT.empty()
    found = cells(members, config.over, "coverage")
    with threadpool_limits(1):  # sums in one order, however many cores there are
        rows = spread(seen[0], found, kept, seed)
    people = members["image_id"].map(cohort.set_index("image_id")["patient_id"])
    n_patients = people.groupby(found.of).nunique().to_numpy()
    told = rows.assign(over=", ".join(config.over), n_patients=n_patients, note=_why(rows))
    return told[list(KEPT.schema.names)]


def _why(rows: pd.DataFrame) -> pd.Series:
    """Say of each cell why its distances are undefined, if they are."""
    note = pd.Series(None, rows.index, dtype=object)
    note = note.mask(rows["kept"] == rows["n"], "no image is left out")
    return note.mask(rows["kept"] == 0, "no image is kept")
