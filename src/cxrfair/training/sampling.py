"""Which examples each step sees: an index stream decided by seed and epoch alone."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def epoch_order(weight: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Order one epoch: a permutation where all weights are equal, else draws by weight.

    Both have as many entries as there are examples.
    """
    draw = np.random.default_rng([seed, epoch])
    if np.all(weight == weight[0]):
        return draw.permutation(len(weight))
    return draw.choice(len(weight), size=len(weight), p=weight / weight.sum())


def batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Cut an epoch into batches; a last batch of one joins its neighbour (batch norm needs two)."""
    cuts = list(range(size, len(order), size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    yield from np.split(order, cuts)
