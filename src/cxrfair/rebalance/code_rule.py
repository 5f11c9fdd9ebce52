"""The rule in the code of Roudsari 2025, which is not the one in the paper's text.

Every crossed cell is brought to the size of the median cell, by copies and by leaving out. No
clusters and no augmentation decide: cells whose labels lie far from everybody's copy first the
images least like the average, and keep those most like it; other cells draw at random. The total
is not kept. Source: github.com/aahmadnejad/BiasCXR, processor.py.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cxrfair.config import Section
from cxrfair.hashing import stable_hash
from cxrfair.rebalance._cells import attributes_and_labels, cells
from cxrfair.rebalance._copies import Occurrences, listing
from cxrfair.rebalance._resampling import in_order
from cxrfair.rebalance._strategy import RebalanceError

Rows = NDArray[np.int64]


class Config(Section):
    """Section `rebalance.code_rule` of params.yaml; `over` names attributes.

    A cell goes by scores if its bias is above `biased_above` (in the code 0.1); the share
    `priority` of its members with the highest scores is copied first (0.7).
    """

    over: tuple[str, ...] = Field(min_length=1)
    biased_above: float = Field(ge=0)
    priority: float = Field(ge=0, le=1)


def rebalance(members: pd.DataFrame, config: Config, seed: int) -> pd.DataFrame:
    """Bring every cell to the median cell's size, rounded down.

    A cell's bias is the mean over all labels of |its prevalence - everybody's|; an image's score
    the sum over labels of |target - everybody's prevalence|; a missing target is 0 in both.

    Raises
    ------
    RebalanceError
        If `over` names labels or what there is not, or if there are no labels.
    """
    ordered, _ = in_order(members)
    found = cells(ordered, config.over, "code_rule")
    if found.patterns is not None:
        raise RebalanceError("params.yaml rebalance.code_rule.over: labels; name attributes")
    target = _targets(ordered)
    rate = target.mean(axis=0)
    score = np.abs(target - rate).sum(axis=1)
    size = int(np.median(found.sizes()))
    listed = []
    for rows, name in zip(found.rows(), found.names, strict=True):
        random = np.random.default_rng(stable_hash(seed, config.over, name))
        bias = np.abs(target[rows].mean(axis=0) - rate).mean()
        own = score[rows] if bias > config.biased_above else None
        listed.append(_of_cell(rows, own, size, config.priority, random))
    row = np.concatenate(listed)
    return listing(ordered["image_id"], Occurrences(row, _copies(row)), seed)


def _targets(ordered: pd.DataFrame) -> NDArray[np.float64]:
    """Return targets (n, k); 0 where there is none."""
    _, labels = attributes_and_labels(ordered)
    if ordered.empty or not labels:
        raise RebalanceError("rebalance.code_rule: no training images or no labels; need both")
    return ordered[labels].astype("Float64").fillna(0).to_numpy(dtype=np.float64)


def _of_cell(
    rows: Rows,
    score: NDArray[np.float64] | None,
    size: int,
    priority: float,
    random: np.random.Generator,
) -> Rows:
    """List a cell's rows as often as they occur, by score or, where that is None, at random."""
    if size <= len(rows):
        if score is None:
            return random.choice(rows, size, replace=False)
        return rows[np.argsort(score, kind="stable")[:size]]
    missing = size - len(rows)
    first = rows[:0]
    if score is not None:
        highest = rows[np.argsort(-score, kind="stable")]
        first = highest[: int(priority * len(rows))][:missing]
    return np.concatenate([rows, first, random.choice(rows, missing - len(first))])


def _copies(row: Rows) -> Rows:
    """Count, for each entry, how often its row occurs before it."""
    return np.asarray(pd.Series(row).groupby(row).cumcount(), dtype=np.int64)
