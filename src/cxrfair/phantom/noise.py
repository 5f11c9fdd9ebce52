"""Exogenous noise: one row for each key, the same whatever other keys are asked for.

A key is a whole number (a patient, a study, an image). Keys are drawn in blocks, each from its own
seed, so adding patients moves nobody, and a further stream of noise leaves the others as they were.
"""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cxrfair.errors import CxrfairError

Floats = NDArray[np.floating[Any]]  # float32 wherever pixels are meant
Keys = NDArray[np.int64]

BLOCK = 1024
DIGITS = 3162
IDENTIFIERS = DIGITS**2  # just under ten million: seven decimal digits


class PhantomError(CxrfairError):
    """The phantom cannot be made as asked."""


def generator(seed: int, stream: str, key: int) -> np.random.Generator:
    """Return the generator of one key of one stream."""
    return np.random.default_rng([seed, crc32(stream.encode()), key])


def uniform(seed: int, stream: str, keys: Keys, width: int) -> NDArray[np.float64]:
    """Draw (n, width) numbers in (0, 1), a row for each key."""
    rows = np.empty((len(keys), width))
    if not len(keys):
        return rows
    order = np.argsort(keys, kind="stable")
    blocks, starts = np.unique(keys[order] // BLOCK, return_index=True)
    for block, here in zip(blocks, np.split(order, starts[1:]), strict=True):
        drawn = generator(seed, stream, int(block)).random((BLOCK, width))
        rows[here] = drawn[keys[here] % BLOCK]
    return np.clip(rows, 1e-12, 1 - 1e-12)


def normal(seed: int, stream: str, keys: Keys, width: int) -> NDArray[np.float64]:
    """Draw (n, width) standard normal numbers, a row for each key."""
    drawn: NDArray[np.float64] = ndtri(uniform(seed, stream, keys, width))
    return drawn


def field(seed: int, stream: str, keys: Keys, shape: tuple[int, int]) -> Floats:
    """Draw (n, height, width) white standard normal noise, one picture for each key."""
    drawn = [
        generator(seed, stream, int(key)).standard_normal(shape, dtype=np.float32) for key in keys
    ]
    return np.stack(drawn)


def permuted(keys: Keys, seed: int, stream: str) -> Keys:
    """Map whole numbers below `IDENTIFIERS` one to one onto themselves, in no visible order.

    A Feistel network: each round adds a shuffled image of one digit to the other.

    Raises
    ------
    PhantomError
        If a key is too large.
    """
    if len(keys) and int(keys.max()) >= IDENTIFIERS:
        raise PhantomError(f"phantom: identifier {keys.max()}; at most {IDENTIFIERS} can be told")
    left, right = keys // DIGITS, keys % DIGITS
    for turn in range(4):
        shuffled = generator(seed, stream, turn).permutation(DIGITS)
        left, right = right, (left + shuffled[right]) % DIGITS
    return left * DIGITS + right


def choose(u: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Turn numbers in (0, 1) into positions with the given shares."""
    limits = np.cumsum(shares)[:-1]
    return np.searchsorted(limits, u, side="right").astype(np.int64)


def choose_by(
    u: NDArray[np.float64], shares: Sequence[Sequence[float]], row: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Turn numbers in (0, 1) into positions, with the shares of one row of a table each."""
    limits = np.cumsum(shares, axis=1)[row, :-1]
    places: NDArray[np.int64] = (u[:, None] >= limits).sum(axis=1)
    return places
