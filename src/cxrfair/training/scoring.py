"""A trained network built again, and what a network makes of images it does not learn from."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrfair import methods
from cxrfair.backbones import Card, Form, build
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.methods import Network
from cxrfair.progress import meter
from cxrfair.training import batches

Rows = NDArray[np.int64]
AT_ONCE = 256  # images; a constant, since it decides the order of sums and so the last bits


class WeightsError(CxrfairError):
    """Weights belong to another network."""


def restore(card: Card, weights: Mapping[str, Tensor]) -> Network:
    """Build the network that a card describes, as its method deploys it, with its weights.

    Raises
    ------
    WeightsError
        If the weights are not those of such a network: a tensor too many, missing, or of another
        shape.
    """
    kind = methods.get(card.method)
    settings = kind.config_type.parse(json.dumps(card.settings), f"methods.{card.method}")
    shape = (len(card.labels), card.size, card.channels)
    form = Form(card.mlp, card.output_stride)
    backbone = build(card.backbone, "none", *shape, form=form)
    network = kind.build(backbone, settings, weights.get("text"))
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in weights.items()}
    wrong = sorted(key for key in wanted | given if wanted.get(key) != given.get(key))
    if wrong:
        first = f"{wrong[0]} is {given.get(wrong[0], 'missing')}"
        needed = wanted.get(wrong[0], "no such tensor")
        raise WeightsError(
            f"weights of {card.backbone}: {first}; allowed: {needed} ({len(wrong)} do not fit)"
        )
    network.load_state_dict(dict(weights))
    return network


def score(
    net: Network, store: Store, rows: Rows, device: torch.device, told: str | None = None
) -> Tensor:
    """Return logits of images, in the precision of the caller's autocast.

    Parameters
    ----------
    net
        Already on `device`. Every part of it is left in the mode it was in.
    rows
        Shape (n,): places in the store, in any order, also several times the same.
    told
        The name under which progress is shown; None shows none.

    Returns
    -------
    Tensor
        Shape (n, k), float32, on the CPU.
    """
    found = torch.empty(len(rows), net.head.out_features)
    return _fill(found, net, blocks(net, store, rows, device), told)


def features(
    net: Network, store: Store, rows: Rows, device: torch.device, told: str | None = None
) -> Tensor:
    """Return pooled features (n, d), what the head reads; else as `score`."""
    found = torch.empty(len(rows), net.width)
    return _fill(found, net, blocks(pooled_by(net), store, rows, device), told)


def pooled_by(net: Network) -> Callable[[Tensor], Tensor]:
    """Return the function from images (n, 1, h, w), or vectors, to pooled features (n, d)."""
    return lambda image: net.represent(image).pooled


def blocks(
    take: Callable[[Tensor], Tensor], store: Store, rows: Rows, device: torch.device
) -> Iterator[Tensor]:
    """Yield `take(images)` of a few hundred images at a time, float32, on the CPU, in order.

    Images are (n, 1, h, w) in [0, 1], or vectors (n, d), on `device`. Memory does not grow with the
    number of rows. The mode is the caller's affair: see `evaluating`.
    """
    cuts = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
    with closing(batches.plain(store, cuts, device)) as images:
        for image in images:
            yield _answer(take, image)


def counted(parts: Iterator[Tensor], total: int, what: str) -> Iterator[Tensor]:
    """Yield `parts`, showing how many of `total` images are done, the rate and the time left."""
    with meter(what, "images", total) as shown:
        for part in parts:
            yield part
            shown.advance(len(part))


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and each of its parts back into its own afterwards."""
    before = [(part, part.training) for part in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


# Not inference mode: what a network caches in it could not be learnt through afterwards.
@torch.no_grad()
def _answer(take: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Compute one block; a function of its own, since a yield inside would pass the mode on."""
    return take(image).float().cpu()


def _fill(found: Tensor, net: nn.Module, parts: Iterator[Tensor], told: str | None) -> Tensor:
    """Fill (n, any) from its top with blocks that come one after the other."""
    done = 0
    if told is not None:
        parts = counted(parts, len(found), told)
    with evaluating(net):
        for part in parts:
            found[done : done + len(part)] = part
            done += len(part)
    return found
