"""Training lists in which cells are brought to a target size, by choosing and by copying."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.hashing import stable_hash
from cxrfair.rebalance._cells import Cells, cells
from cxrfair.rebalance._clusters import Rows, Scaled, representatives
from cxrfair.rebalance._copies import Occurrences, blended, listing, rounds
from cxrfair.rebalance._labels import label_sizes
from cxrfair.rebalance._targets import Aim, Way, wanted


class BlendedAim(Aim):
    """An aim that makes copies: `blend` mixes a copied vector with a neighbour of its cell.

    Pictures are not mixed; their copies differ by the augmentation of training.
    """

    blend: bool


def in_order(members: pd.DataFrame) -> tuple[pd.DataFrame, Rows]:
    """Sort members by id, so that nothing depends on their order; return also where they stood."""
    order = np.argsort(members["image_id"].to_numpy(dtype=object), kind="stable")
    return members.iloc[order].reset_index(drop=True), order.astype(np.int64)


def sizes(found: Cells, aim: Aim, way: Way) -> NDArray[np.int64]:
    """Return the size each cell is to have, (g,)."""
    if found.patterns is None or not found.names:
        return wanted(found.sizes(), aim, way)
    return label_sizes(found.patterns, found.sizes(), aim, way)


def resampled(
    members: pd.DataFrame,
    aim: Aim,
    seed: int,
    features: NDArray[np.float32],
    as_said: tuple[str, Way],
) -> pd.DataFrame:
    """Make the training list: cells over their size are thinned out, those under it copied.

    Parameters
    ----------
    members, seed, features
        As a strategy is handed them.
    as_said
        The strategy's name, for errors, and which cells it changes.

    Raises
    ------
    RebalanceError
        If `over` names what there is not, or attributes beside labels; if features do not fit.
    """
    name, way = as_said
    ordered, order = in_order(members)
    found = cells(ordered, aim.over, name)
    scaled = Scaled.of(features, order)
    seeds = [stable_hash(seed, aim.over, cell) for cell in found.names]
    parts = [
        _resized(scaled, rows, size, own)
        for rows, size, own in zip(found.rows(), sizes(found, aim, way), seeds, strict=True)
    ]
    none = np.zeros(0, dtype=np.int64)
    together = Occurrences(
        np.concatenate([none, *(part.row for part in parts)]),
        np.concatenate([none, *(part.copy for part in parts)]),
    )
    listed = listing(ordered["image_id"], together, seed)
    if isinstance(aim, BlendedAim) and aim.blend:
        return blended(listed, ordered["image_id"], found.rows(), scaled, seeds)
    return listed


def _resized(scaled: Scaled, rows: Rows, size: int, seed: int) -> Occurrences:
    """Thin a cell out, or copy its members."""
    if size >= len(rows):
        return rounds(rows, size, seed)
    kept = representatives(scaled, rows, size, seed)
    return Occurrences(kept, np.zeros_like(kept))
