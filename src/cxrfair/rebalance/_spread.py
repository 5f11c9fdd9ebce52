"""How well the images kept of a cell stand for those left out."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin_min

from cxrfair.hashing import stable_hash
from cxrfair.rebalance._cells import Cells
from cxrfair.rebalance._clusters import Rows, Scaled, batches

LOOKED_AT = 1000  # members left out, drawn at random where there are more
DRAWS = 5


def spread(
    features: NDArray[np.float32], found: Cells, kept: NDArray[np.bool_], seed: int
) -> pd.DataFrame:
    """Compare the images kept of each cell with as many drawn at random.

    Columns: cell, n (rows), kept, looked_at (members left out that were measured), largest (the
    largest distance from a member left out to its nearest kept one, on standardised features) and
    random (its mean over five random choices). Both are NaN where nothing or everything is left
    out. Distances are in standard deviations: Euclidean, not divided by the number of features.

    Parameters
    ----------
    features
        (n, d) of all training images.
    found
        `cells` of them, in the same order.
    kept
        (n,) whether the image is listed.
    """
    scaled = Scaled.of(features, np.arange(len(features)))
    rows = []
    for name, of_cell in zip(found.names, found.rows(), strict=True):
        held = of_cell[kept[of_cell]]
        random = np.random.default_rng(stable_hash(seed, "spread", name))
        own, looked_at = _largest(scaled, of_cell, held, random)
        drawn = [
            _largest(scaled, of_cell, random.choice(of_cell, len(held), replace=False), random)[0]
            for _ in range(DRAWS)
        ]
        rows.append((name, len(of_cell), len(held), looked_at, own, np.mean(drawn)))
    return pd.DataFrame(rows, columns=["cell", "n", "kept", "looked_at", "largest", "random"])


def _largest(
    scaled: Scaled, cell: Rows, held: Rows, random: np.random.Generator
) -> tuple[float, int]:
    """Return the largest distance to the nearest row held, and of how many left out."""
    out = np.setdiff1d(cell, held)
    if not len(out) or not len(held):
        return np.nan, 0
    some = random.permutation(out)[:LOOKED_AT]
    wide = scaled.rows(some)
    near = np.full(len(some), np.inf)
    for part in batches(held):  # of all held at once there may be more than fit
        near = np.minimum(near, pairwise_distances_argmin_min(wide, scaled.rows(part))[1])
    return float(near.max()), len(some)
