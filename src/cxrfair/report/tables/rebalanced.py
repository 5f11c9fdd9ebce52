"""How evenly training lists are spread over groups and labels, before and after rebalancing."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.rebalanced import NONE
from cxrfair.report import lists
from cxrfair.report._results import StudyResults
from cxrfair.statistics import balance

Array = NDArray[np.float64]
TITLE = "Balance of training lists"
CAPTION = (
    "How evenly what is trained on is spread over the known groups of each attribute, and over the "
    "labels (an image counts once for each of its findings): the training images as they are "
    "(none), and each rebalanced list of the study's first seed. Entries: of known groups, or "
    "positives; images: how many different ones the whole list holds. Measures are of sums of "
    "weights. Lorenz Gini: 0 if all are equal, towards 1 if one has all; Gini-Simpson: the chance "
    "that two entries are of different groups, higher where they are more equal. Entropy gained: "
    "the share of the entropy before; could be gained: what equal shares of as many groups would."
)
SECTION = "cohort"
MEASURES = {
    "gini": balance.gini,
    "gini_simpson": balance.gini_simpson,
    "entropy": balance.entropy,
    "normalised_entropy": balance.normalised_entropy,
}
GAINS = ("entropy_gain", "entropy_left")
HIDDEN, ONE, NOTHING = "hidden: small group", "a single group", "nothing in the list"
NOT_APPLICABLE = "not applicable"  # leaves a cell blank
COLUMNS = (
    *("dataset", "attribute", "rebalance", "n_groups", "n_entries", "n_images"),
    *(f"{name}{part}" for name in (*MEASURES, *GAINS) for part in ("", "_note")),
)


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, attribute and list; none where nothing is rebalanced."""
    if study.rebalanced.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    found, before = [], np.nan
    for held in lists.holdings(study):
        counts = held.rows["weight"].to_numpy("float64", na_value=np.nan)
        first = held.rebalance == NONE
        before = balance.entropy(counts) if first else before
        row = {
            **{"dataset": held.dataset, "attribute": held.attribute, "rebalance": held.rebalance},
            **{
                "n_groups": len(counts),
                "n_entries": held.rows["n"].astype("Int64").sum(skipna=False),
            },
            "n_images": lists.everyone(study, held.dataset, held.rebalance)["n_images"],
        }
        found.append(row | _measured(counts) | _gains(counts, before, first=first))
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.astype({"n_entries": "Int64", "n_images": "Int64"})


def _measured(counts: Array) -> dict[str, object]:
    """Compute all measures of what a list holds of an attribute; counts are NaN where hidden."""
    found: dict[str, object] = {}
    for name, measure in MEASURES.items():
        value = np.nan if np.isnan(counts).any() else measure(counts)
        found |= {name: value, f"{name}_note": _why(counts) if np.isnan(value) else None}
    return found


def _gains(counts: Array, before: float, *, first: bool) -> dict[str, object]:
    """Compare the entropy with that before, and say how much there was to gain."""
    hidden = np.isnan(counts).any() or not before > 0
    most = np.nan if hidden else float(np.log(len(counts))) / before - 1
    gain = np.nan if hidden or first else balance.entropy(counts) / before - 1
    said = None if not np.isnan(gain) else _why(counts)
    return {
        "entropy_gain": gain,
        "entropy_gain_note": NOT_APPLICABLE if first else said,
        "entropy_left": most,
        "entropy_left_note": _why(counts) if np.isnan(most) else None,
    }


def _why(counts: Array) -> str:
    """Say why a measure is missing."""
    if np.isnan(counts).any():
        return HIDDEN
    return ONE if counts.sum() else NOTHING
