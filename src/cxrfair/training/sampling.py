"""Which examples each step sees: an index stream decided by seed and epoch alone.

Nothing here knows a worker, the state of a random generator or what was trained before: an epoch's
order is made afresh from (seed, epoch), and processes, pieces and a resume only choose which
entries of it to take. So they cannot change it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError


class SamplingError(CxrfairError):
    """An epoch cannot be made as asked."""


class Pick(NamedTuple):
    """Entries of an epoch, both (n,): `example`, a place in the training list, and `occurrence`.

    `occurrence` is how many earlier entries of the epoch are the same example.
    """

    example: NDArray[np.int64]
    occurrence: NDArray[np.int64]


class Share(NamedTuple):
    """What one process takes of each batch: every `world`-th entry from `rank`, in `pieces`."""

    rank: int = 0
    world: int = 1
    pieces: int = 1


def epoch_order(
    weight: NDArray[np.float64], repeats: NDArray[np.int64] | None, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Order one epoch: places in the training list, decided by `seed` and `epoch` alone.

    Parameters
    ----------
    weight
        Shape (n,). All equal: each example as often as `repeats` says. Else draws with replacement,
        each in proportion to its weight times its repeats.
    repeats
        Shape (n,), how often each example comes; None for once. Their sum is the epoch's length,
        whatever the weights.

    Raises
    ------
    SamplingError
        If `repeats` are negative or all 0.
    """
    draw = np.random.default_rng([seed, epoch])
    times = np.ones(len(weight), np.int64) if repeats is None else _refuse_odd(repeats)
    if np.all(weight == weight[:1]):
        return draw.permutation(np.repeat(np.arange(len(weight)), times))
    chance = weight * times
    return draw.choice(len(weight), size=int(times.sum()), p=chance / chance.sum())


def occurrence(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count for each entry (n,) the earlier entries that are the same example; 0 for its first."""
    by_example = np.argsort(order, kind="stable")
    first = np.flatnonzero(np.diff(order[by_example], prepend=-1))
    length = np.diff(first, append=len(order))
    earlier = np.empty_like(order)
    earlier[by_example] = np.arange(len(order)) - np.repeat(first, length)
    return earlier


def batches(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an epoch into as few batches of at most `size` as there can be, of near-equal sizes."""
    return np.array_split(order, _count(len(order), size)) if len(order) else []


def part(batch: NDArray[np.int64], rank: int, world: int) -> NDArray[np.int64]:
    """Return what process `rank` of `world` takes of a batch."""
    return batch[rank::world]


def pieces(taken: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """Cut what a process takes into `count` pieces of near-equal size, whose gradients add up."""
    return np.array_split(taken, count)


def plan(order: NDArray[np.int64], size: int, share: Share) -> list[list[Pick]]:
    """List the steps of an epoch, each as the pieces that one process takes.

    A resume after `s` steps goes on with `plan(...)[s:]`.

    Raises
    ------
    SamplingError
        If a piece would be of fewer than two images: batch statistics need two.
    """
    _refuse_thin(len(order), size, share)
    earlier = occurrence(order)
    return [
        [Pick(order[at], earlier[at]) for at in pieces(_mine(batch, share), share.pieces)]
        for batch in batches(np.arange(len(order)), size)
    ]


def shares(entries: int, share: Share) -> list[float]:
    """Return what part of a batch of `entries` each piece is, over all processes; they sum to 1."""
    places = np.arange(entries)
    taken = [pieces(part(places, rank, share.world), share.pieces) for rank in range(share.world)]
    return [sum(map(len, alike)) / entries for alike in zip(*taken, strict=True)]


def _mine(batch: NDArray[np.int64], share: Share) -> NDArray[np.int64]:
    return part(batch, share.rank, share.world)


def _count(entries: int, size: int) -> int:
    return -(-entries // size)


def _refuse_odd(repeats: NDArray[np.int64]) -> NDArray[np.int64]:
    if (repeats < 0).any() or not repeats.any():
        raise SamplingError(
            f"repeats of {len(repeats)} examples: {int((repeats < 0).sum())} below 0, "
            f"{int((repeats > 0).sum())} above; allowed: 0 or more, and not all 0"
        )
    return repeats


def _refuse_thin(entries: int, size: int, share: Share) -> None:
    """Refuse what leaves a piece with fewer than two images, the same in every process."""
    cut = _count(entries, size)
    least = entries // max(cut, 1) // (share.world * share.pieces)
    if least < 2:
        raise SamplingError(
            f"training list: {entries} entries in {cut} batches of at most {size}, over "
            f"{share.world} processes and {share.pieces} pieces, leave {least} to one; "
            "at least 2 are needed"
        )
