"""Samples of training images, one a trial, and what else a trial draws."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxrfair.heads._head import NO_GROUP, HeadError

Rows = NDArray[np.int64]
Array = NDArray[np.float32]
Draw = Callable[[np.random.Generator], Rows]


class Sampler(NamedTuple):
    """How a trial draws: `draw` returns `size` rows of the training images; `notes` of all trials.

    Rows stand in no order that matters: who learns from them shuffles them.
    """

    draw: Draw
    size: int
    notes: tuple[str, ...]


class Start(NamedTuple):
    """What one trial draws: a fresh head, and rows of training images in order, by epoch.

    `weight` (k, d), `bias` (k,), `rows` (epochs, n).
    """

    weight: Array
    bias: Array
    rows: Rows


def generator(seed: int, trial: int) -> np.random.Generator:
    """Return the random numbers of one trial, which no other trial shares."""
    return np.random.default_rng((seed, trial))


def start(sampler: Sampler, shape: tuple[int, int], epochs: int, place: tuple[int, int]) -> Start:
    """Draw a head of `shape` (k, d), then the sample, then an order of it for each epoch.

    Heads start as those of `torch.nn.Linear`: weights and biases even between -1 and 1 over the
    root of d. `place` is (seed, trial).
    """
    rng = generator(*place)
    bound = shape[1] ** -0.5
    weight = rng.uniform(-bound, bound, shape).astype(np.float32)
    bias = rng.uniform(-bound, bound, shape[0]).astype(np.float32)
    rows = sampler.draw(rng)
    return Start(weight, bias, np.stack([rng.permutation(rows) for _ in range(epochs)]))


def balanced(group: Rows, names: Sequence[str], per_group: int) -> Sampler:
    """Draw `per_group` images of each group; images of no group are never drawn.

    Parameters
    ----------
    group
        (n,) in [0, g), `NO_GROUP` of images in none.

    Raises
    ------
    HeadError
        If a group has no image.
    """
    members = [np.flatnonzero(group == number) for number in range(len(names))]
    if absent := [name for name, rows in zip(names, members, strict=True) if not len(rows)]:
        raise HeadError(
            f"training images: none of {len(absent)} groups ({', '.join(absent)}); each needs one"
        )
    notes = [
        _repeated(f"group {name}", len(rows), per_group)
        for name, rows in zip(names, members, strict=True)
    ]
    if left := int((group == NO_GROUP).sum()):
        notes.append(f"{left} training images are in no group and are not drawn")

    def draw(rng: np.random.Generator) -> Rows:
        return np.concatenate([_some(rng, rows, per_group) for rows in members])

    return Sampler(draw, per_group * len(names), tuple(note for note in notes if note))


def imbalanced(n: int, images: int) -> Sampler:
    """Draw `images` of all n training images, whatever group they are in."""
    rows = np.arange(n)
    note = _repeated("training", n, images)
    return Sampler(lambda rng: _some(rng, rows, images), images, (note,) if note else ())


def _some(rng: np.random.Generator, rows: Rows, count: int) -> Rows:
    """Draw `count` of `rows` without replacement; where they are fewer, all, and again some."""
    if len(rows) >= count:
        return rng.choice(rows, count, replace=False)
    return np.concatenate([rows, rng.choice(rows, count - len(rows))])


def _repeated(what: str, have: int, wanted: int) -> str:
    again = f"{what}: {have} images; {wanted - have} of the {wanted} drawn a trial are drawn again"
    return again if have < wanted else ""
