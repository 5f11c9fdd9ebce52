"""From the image store to the device: read ahead in a thread, made ready on the device."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrfair.images.augment import AugmentConfig, augment, draws, move, normals, pinned
from cxrfair.images.store import Store, Values
from cxrfair.methods import Batch
from cxrfair.training.examples import Examples
from cxrfair.training.guidance import Guidance
from cxrfair.training.sampling import Pick

A = TypeVar("A")
R = TypeVar("R")

DEPTH = 2  # steps read beyond the one in use: one slow read is then not waited for


@dataclass(frozen=True)
class Source:
    """What batches are made from and where they go; the same for every epoch of a training."""

    examples: Examples
    store: Store
    augment: AugmentConfig
    device: torch.device


@dataclass(frozen=True)
class _Shown:
    """Masks of g of a piece's n examples and k labels in the host's memory.

    `at` (2, g) is the example and label of each of `masks` (g, s, s) uint8, here and from where the
    device can copy it (`there`); `guided` (n, k) says the same.
    """

    at: NDArray[np.int64]
    there: Tensor
    guided: Tensor
    masks: Tensor


@dataclass(frozen=True)
class _Read:
    """A piece of a step in the host's memory, and what is known of it.

    `values` are pixels (n, s, s) uint8, or vectors (n, d) float32. `shown` are masks of some of the
    n, None where no example of the whole training is guided.
    """

    values: Tensor
    target: Tensor
    group: Tensor
    index: Tensor
    shown: _Shown | None


def stream(
    source: Source, steps: Iterable[Sequence[Pick]], seed: int, epoch: int
) -> Generator[list[Batch], None, None]:
    """Yield each step's pieces as batches on the device, augmented, images channels-last.

    Vectors come as they are, or as mixtures where the examples say so; nothing else changes them.
    Masks are moved as their images are. Where the examples have guidance every batch has masks, be
    they all empty: processes that meet in a loss must hold the same kinds of things.

    A thread reads at most `DEPTH` steps ahead and nothing beyond `steps`; what fails in it fails
    here, at the step that it was read for. Closing the iterator ends the thread. Conversion and
    augmentation stay in the caller's thread, and so on the caller's CUDA stream.
    """

    def read(step: Sequence[Pick]) -> list[tuple[Pick, _Read]]:
        return [(pick, _read(source, pick.example)) for pick in step]

    with closing(_ahead(read, steps, source.device)) as found:
        for step in found:
            yield [_batch(source, held, pick, (seed, epoch)) for pick, held in step]


def plain(
    store: Store, chunks: Iterable[NDArray[np.int64]], device: torch.device
) -> Generator[Tensor, None, None]:
    """Yield images (n, 1, s, s), or vectors (n, d), of each chunk of rows as they are."""

    def read(rows: NDArray[np.int64]) -> Tensor:
        return pinned(store.read(rows), device)

    with closing(_ahead(read, chunks, device)) as found:
        for values in found:
            yield _images(values, device)


def _read(source: Source, example: NDArray[np.int64]) -> _Read:
    """Gather what is known of examples, from where the device can copy it."""
    known = source.examples
    arrays = (
        _values(source.store, known, example),
        known.target[example],
        known.group[example],
        example.copy(),
    )
    values, target, group, index = (pinned(array, source.device) for array in arrays)
    guidance = known.guidance
    shown = None if guidance is None else _shown(guidance, example, source.device)
    return _Read(values, target, group, index, shown)


def _shown(guidance: Guidance, example: NDArray[np.int64], device: torch.device) -> _Shown:
    """Gather the masks of examples."""
    guided, masks = guidance.read(example)
    at = np.stack(np.nonzero(guided))
    return _Shown(at, *(pinned(array, device) for array in (at, guided, masks)))


def _values(store: Store, known: Examples, example: NDArray[np.int64]) -> Values:
    """Read examples; mix those that are mixtures: x + share (x' - x) + noise of their key alone."""
    values, blend = store.read(known.row[example]), known.blend
    if blend is None:
        return values
    mixed = np.flatnonzero(blend.partner[example] >= 0)
    of = example[mixed]
    own, other = values[mixed], store.read(blend.partner[of])
    noise = blend.noise * normals(known.key[of], len(blend.noise))
    values[mixed] = own + blend.share[of, None] * (other - own) + noise
    return values


def _batch(source: Source, held: _Read, pick: Pick, when: tuple[int, int]) -> Batch:
    """Copy a piece to the device and augment pictures there; `when` is (seed, epoch)."""
    known = (held.target, held.group, held.index)
    target, group, index = (each.to(source.device, non_blocking=True) for each in known)
    seen = _images(held.values, source.device)
    if _are_vectors(held.values):
        return Batch(seen, target, group, index, seed=when[0], epoch=when[1])
    uniform = draws(*when, source.examples.key[pick.example], pick.occurrence)
    seen = augment(seen, uniform, source.augment)
    mask, guided = None, None
    if held.shown is not None:
        mask, guided = _masks(source, held.shown, uniform)
    return Batch(seen, target, group, index, mask, guided, *when)


def _masks(source: Source, shown: _Shown, uniform: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Copy masks to the device, move each as its image and lay them out as (n, k, s, s)."""
    known = (shown.there, shown.guided, shown.masks)
    at, guided, drawn = (each.to(source.device, non_blocking=True) for each in known)
    shades = drawn.unsqueeze(1).to(torch.float32)
    moved = move(shades, uniform[shown.at[0]], source.augment)
    mask = torch.zeros(*guided.shape, *drawn.shape[1:], device=source.device)
    mask[at[0], at[1]] = moved[:, 0]
    return mask, guided


def _are_vectors(values: Tensor) -> bool:
    return values.ndim == 2


def _images(values: Tensor, device: torch.device) -> Tensor:
    """Copy pixels (n, s, s) to the device as bytes; there they become (n, 1, s, s) in [0, 1].

    Vectors (n, d) stay what they are.
    """
    there = values.to(device, non_blocking=True)
    if _are_vectors(values):
        return there
    shade = there.unsqueeze(1).to(torch.float32).div_(255)
    return shade.contiguous(memory_format=torch.channels_last)


def _ahead(
    read: Callable[[A], R], asked: Iterable[A], device: torch.device
) -> Generator[R, None, None]:
    """Yield `read` of each thing asked for, in order, while a thread reads the next ones."""
    thread = _thread(device)
    waiting: deque[Future[R]] = deque()
    try:
        for item in asked:
            waiting.append(thread.submit(read, item))
            if len(waiting) > DEPTH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)


def _thread(device: torch.device) -> ThreadPoolExecutor:
    """Make the reading thread; on a GPU it holds memory for that one, not for the first."""
    if device.type == "cuda":
        return ThreadPoolExecutor(1, "images", torch.cuda.set_device, (device,))
    return ThreadPoolExecutor(1, "images")
