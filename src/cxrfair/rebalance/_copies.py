"""Copies of images: which are made, and whom a copied vector is blended with."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cxrfair.hashing import stable_hash
from cxrfair.rebalance._clusters import Scaled, batches
from cxrfair.rebalance._strategy import augmentation_seeds, entries

NEAREST = 5
CANDIDATES = 2000  # members of a cell among whom neighbours are looked for
LARGEST_SHARE = 0.5

Rows = NDArray[np.int64]


class Occurrences(NamedTuple):
    """Rows of members and which copy each is: 0 is the image itself."""

    row: Rows
    copy: Rows


def rounds(rows: Rows, size: int, seed: int) -> Occurrences:
    """Bring rows to `size` by copies: whole rounds of all, then a random remainder."""
    whole, rest = divmod(size, len(rows))
    some = np.random.default_rng(seed).permutation(rows)[:rest]
    copy = np.repeat(np.arange(whole), len(rows))
    return Occurrences(
        np.concatenate([np.tile(rows, whole), np.sort(some)]),
        np.concatenate([copy, np.full(rest, whole, dtype=np.int64)]),
    )


def neighbours(scaled: Scaled, cell: Rows, rows: Rows, seed: int) -> Rows:
    """Return for each row the five nearest others of its cell, (len(rows), up to 5).

    They are looked for among 2,000 members drawn at random where the cell has more. A member
    alone in its cell is its own neighbour.
    """
    if len(cell) == 1:
        return rows[:, None]
    drawn = np.random.default_rng(seed).permutation(cell)[:CANDIDATES]
    drawn = np.sort(drawn)
    some = scaled.rows(drawn)
    square = np.einsum("nd,nd->n", some, some)
    n = min(NEAREST, len(drawn) - 1)
    parts = []
    with threadpool_limits(1):
        for block in batches(rows):
            apart = square - 2 * (scaled.rows(block) @ some.T)
            apart[block[:, None] == drawn] = np.inf
            parts.append(drawn[np.argpartition(apart, n - 1, axis=1)[:, :n]])
    return np.concatenate(parts)


def listing(images: pd.Series, found: Occurrences, seed: int) -> pd.DataFrame:
    """Make the training list: in order of the ids, an image before its copies.

    Parameters
    ----------
    images
        Ids by row, in order.
    """
    order = np.lexsort((found.copy, found.row))
    row, copy = found.row[order], found.copy[order]
    seeds = np.zeros(len(row), dtype=np.int64)
    for number in np.unique(copy):
        these = copy == number
        seeds[these] = augmentation_seeds(images.iloc[row[these]], int(number), seed)
    return entries(images.iloc[row], seeds)


def blended(
    listed: pd.DataFrame, images: pd.Series, cells: list[Rows], scaled: Scaled, seeds: list[int]
) -> pd.DataFrame:
    """Name a partner for every copy, one of its neighbours, and the partner's share, in (0, 0.5).

    Both follow from the copy's augmentation seed; an image's first occurrence is itself.

    Parameters
    ----------
    listed
        What `listing` made.
    cells, seeds
        Rows of each cell, and a seed of each.
    """
    row = pd.Index(images).get_indexer(listed["image_id"])
    copied = listed["image_id"].duplicated().to_numpy()
    partner, share = listed["partner"].copy(), listed["share"].to_numpy(copy=True)
    cell_of = np.zeros(len(images), dtype=np.int64)
    for number, rows in enumerate(cells):
        cell_of[rows] = number
    for number in np.unique(cell_of[row[copied]]):
        these = np.flatnonzero(copied & (cell_of[row] == number))
        alone, at = np.unique(row[these], return_inverse=True)
        near = neighbours(scaled, cells[number], alone, seeds[number])
        chance = listed["augmentation_seed"].iloc[these]
        which = np.array([stable_hash("partner", one) % near.shape[1] for one in chance])
        partner.iloc[these] = images.iloc[near[at, which]].to_numpy()
        share[these] = [_share(one) for one in chance]
    return listed.assign(partner=partner, share=share)


def _share(seed: int) -> float:
    """Hash a seed to a number between 0 and a half, both left out."""
    return ((stable_hash("share", seed) >> 11) + 0.5) / 2**52 * LARGEST_SHARE
