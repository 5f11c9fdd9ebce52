"""Intervals for a single share of images, and from resampled values."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEAST_DEFINED = 0.5  # share of the resamples that must have a value for there to be an interval


def wilson(share: ArrayLike, trials: ArrayLike, confidence: float) -> tuple[Array, Array]:
    """Return the Wilson score interval of `share` among `trials` images (Wilson 1927).

    Unlike resampling it does not shrink to a point when a small group has a share of 0 or 1.
    NaN without trials.
    """
    p, n = np.asarray(share, float), np.asarray(trials, float)
    n = np.where(n > 0, n, np.nan)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def percentile(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return the percentile interval over the last axis (Efron & Tibshirani 1993, Chapter 13).

    Undefined draws (NaN) are left out; NaN where fewer than half of them have a value.
    """
    tail = (1 - confidence) / 2
    ordered = np.sort(draws, axis=-1)  # NaN last
    defined = (~np.isnan(draws)).sum(axis=-1)
    enough = (defined > 0) & (defined >= LEAST_DEFINED * draws.shape[-1])
    low, high = (_quantile(ordered, defined, share) for share in (tail, 1 - tail))
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def _quantile(ordered: Array, defined: NDArray[np.int_], share: float) -> Array:
    """Interpolate linearly between the `defined` first values of each row, as NumPy does."""
    place = share * np.maximum(defined - 1, 0)
    floor = np.floor(place).astype(int)
    ceiling = np.minimum(floor + 1, np.maximum(defined - 1, 0))
    low = np.take_along_axis(ordered, floor[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, ceiling[..., None], axis=-1)[..., 0]
    return np.asarray(low + (high - low) * (place - floor))
