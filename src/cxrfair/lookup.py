"""Long words among many others: where each stands, without a pandas index of Python strings."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from cxrfair.errors import CxrfairError

TEXT = pa.large_string()


def places(words: pd.Series, known: pd.Series | pd.Index) -> NDArray[np.int64]:
    """Return where each word stands in `known` (which holds each once), -1 where it does not.

    A missing word stands nowhere. Five to ten times as fast as `pandas.Index.get_indexer`.
    """
    among = pa.array(known, TEXT)
    found = compute.index_in(pa.array(words, TEXT), value_set=among, skip_nulls=True)
    rows: NDArray[np.int64] = compute.fill_null(found, -1).to_numpy().astype(np.int64)
    return rows


def take(column: pd.Series, rows: NDArray[np.int64]) -> pd.Series:
    """Return the values at these positions, as they are counted from 0; empty where it is -1."""
    return column.reset_index(drop=True).reindex(rows).reset_index(drop=True)


def people_of(
    image_ids: Iterable[str],
    cohort: pd.DataFrame,
    what: tuple[str, str],
    error: type[CxrfairError],
) -> pd.DataFrame:
    """Return the cohort's rows of these images, one an image, in their order.

    `what`: who asks, and which images these are.

    Raises
    ------
    CxrfairError
        The one of these that `error` names, if an image is not in the cohort.
    """
    rows = places(pd.Series(image_ids, dtype="str"), cohort["image_id"])
    if lost := int((rows < 0).sum()):
        raise error(f"{what[0]}: {lost} {what[1]} are not in the cohort; allowed: 0")
    return cohort.iloc[rows].reset_index(drop=True)
