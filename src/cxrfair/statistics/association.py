"""Whether two measures put the same things in the same order."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cxrfair.statistics.intervals import percentile

Array = NDArray[np.float64]
FEWEST = 4  # variants that a rank correlation is made of: three have but six orders
SEED = 0  # of the resampled variants


class Correlation(NamedTuple):
    """Spearman's rank correlation over `n` variants with its interval; NaN with a note."""

    n: int
    value: float
    low: float
    high: float
    note: str


def rank_correlation(x: Array, y: Array, resamples: int, confidence: float) -> Correlation:
    """Correlate the ranks of two measures of the same variants (n,) (Spearman 1904).

    Variants without either are left out. The interval is a percentile bootstrap over variants,
    which are taken as a sample of those there could be; few variants make it wide. It does not
    depend on the order they are given in. NaN with a note with fewer than four, or where one
    measure is the same of all.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    n, nothing = int(known.sum()), (np.nan, np.nan, np.nan)
    if n < FEWEST:
        return Correlation(n, *nothing, f"fewer than {FEWEST} variants")
    drawn = np.random.default_rng(SEED).integers(n, size=(resamples, n))
    ordered = np.flatnonzero(known)[np.lexsort((y[known], x[known]))]
    order = ordered[np.concatenate([np.arange(n)[None], drawn])]
    draws = _spearman(x[order], y[order])
    if np.isnan(draws[0]):
        return Correlation(n, *nothing, "the same of all variants")
    low, high = percentile(draws[None, 1:], confidence)
    return Correlation(n, float(draws[0]), float(low[0]), float(high[0]), "")


def _spearman(x: Array, y: Array) -> Array:
    """Correlate the ranks in each row of (b, n): (b,). NaN in a row that is all alike."""
    ranks = (rankdata(values, axis=1) for values in (x, y))
    one, other = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    square = (one**2).sum(axis=1) * (other**2).sum(axis=1)
    scale = np.where(square > 0, np.sqrt(square), np.nan)
    return np.asarray((one * other).sum(axis=1) / scale)
