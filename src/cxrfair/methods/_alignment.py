"""Maps held against what people outlined, and outlines that nobody drew."""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash
from cxrfair.methods._method import Batch
from cxrfair.ranges import Among, Between

Bools = NDArray[np.bool_]

EPSILON = 1e-6  # of equation 1
SHARES = (0.02, 0.15)  # of the image that a random map covers, about
ELLIPSES, STRETCH = 3, 2.5  # at most, of a random map; how much longer than wide one may be
TRIES = 1000  # more than one is needed where a picture has a few pixels only


class AlignmentConfig(Section):
    """What decides how maps are held against outlines."""

    align: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="weight of the alignment loss, beside the label's own"),
    ]
    pixels: Annotated[
        Literal["all", "positive"],
        Among(("all", "positive")),
        Field(description="what the alignment loss sums over: `all` pixels or those outlined"),
    ]
    false_positive: Annotated[
        NonNegativeFloat,
        Between(1, 5),
        Field(description="w_FP: what attention outside the outline counts, that inside being 1"),
    ]
    smooth: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="alpha, in pixels: smooths the alignment loss of small outlines"),
    ]
    random_maps: Annotated[
        bool,
        Among((False, True)),
        Field(description="in place of each outline a blob at random, another in every epoch"),
    ]


def misaligned(truth: Tensor, found: Tensor, config: AlignmentConfig) -> Tensor:
    """Return L_AL (n,) of maps `found` (n, h, w) against outlines `truth` (n, h, w), in [0, 1].

    1 - (2 sum Y P + a + e) / (sum (Y + P) + (w_FP - 1) sum P (1 - Y) + a + e), with sums over all
    pixels of an image, or those with Y above 0. Finite, also where nothing is outlined. Luo et al.,
    On the Interplay of Human-AI Alignment, Fairness, and Performance Trade-offs, equation 1.
    """
    inside = torch.ones_like(truth) if config.pixels == "all" else (truth != 0).to(truth.dtype)
    more = (config.false_positive - 1) * found * (1 - truth)
    both = (2 * truth * found).sum((1, 2))
    either = ((truth + found + more) * inside).sum((1, 2))
    eased = config.smooth + EPSILON
    return 1 - (both + eased) / (either + eased)


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge maps (n, rows, columns) to (n, *size) bilinearly, cells' centres where they are.

    In float32, and as two products of matrices: on a GPU the gradient of `functional.interpolate`
    differs a little each time.
    """
    down, across = (
        _weights(count, length, maps) for count, length in zip(maps.shape[1:], size, strict=True)
    )
    with torch.autocast(maps.device.type, enabled=False):
        return down @ maps @ across.mT


def guiding(batch: Batch, label: int) -> tuple[Tensor, Tensor] | None:
    """Return outlines (n, h, w) of a label, and which pairs (n,) of it guide; None without any.

    Those that guide are annotated, and the label is there: not absent, missing or in doubt.
    """
    if batch.mask is None or batch.guided is None:
        return None
    return batch.mask[:, label], batch.guided[:, label] & (batch.target[:, label] == 1)


def at_random(batch: Batch, label: int, truth: Tensor, chosen: Tensor) -> Tensor:
    """Return a blob (n, h, w) in {0, 1} in place of each `chosen` (n,) outline, 0 elsewhere.

    Decided by the training's seed, the epoch, the example's place in the training list and the
    label's among the labels: not by the batch, nor by the device.
    """
    drawn = np.zeros(truth.shape, np.float32)
    outlined, index = (truth > 0.5).cpu().numpy(), batch.index.tolist()
    for row in chosen.nonzero()[:, 0].tolist():
        drawn[row] = blob(outlined[row], batch.seed, batch.epoch, index[row], label)
    return torch.from_numpy(drawn).to(truth.device, truth.dtype)


def blob(truth: Bools, *key: int) -> Bools:
    """Draw one to three overlapping ellipses at a random place, by `key` alone: (h, w).

    It covers about 2 to 15 percent of the image, each size as likely in its logarithm. It is never
    empty, nor the whole image, nor equal to `truth` (h, w): then it is drawn again.

    Raises
    ------
    CxrfairError
        If no such blob is found: on a picture of a single pixel.
    """
    for attempt in range(TRIES):
        bits = np.random.Philox(key=stable_hash("random map", *key, attempt))
        found = _ellipses(np.random.Generator(bits), truth.shape)
        if found.any() and not found.all() and (found != truth).any():
            return found
    raise CxrfairError(
        f"random maps: none on {' x '.join(map(str, truth.shape))} pixels; allowed: 2 x 2 or more"
    )


def _ellipses(draw: np.random.Generator, shape: tuple[int, ...]) -> Bools:
    """Draw an ellipse within the image, and others half as large with centres on its border."""
    count = int(draw.integers(1, ELLIPSES + 1))
    low, high = np.log(SHARES)
    # About half of each of the others lies outside the first.
    area = np.exp(draw.uniform(low, high)) / (1 + 0.25 * (count - 1))
    turn, first = draw.uniform(0, math.pi), _axes(draw, area)
    centre = draw.uniform(first[0], 1 - first[0], 2)
    found = _ellipse(shape, centre, first, turn)
    for _ in range(count - 1):
        at = draw.uniform(0, 2 * math.pi)
        border = centre + _turned(first[0] * math.cos(at), first[1] * math.sin(at), turn)
        found |= _ellipse(shape, border, _axes(draw, area / 2), draw.uniform(0, math.pi))
    return found


def _axes(draw: np.random.Generator, area: float) -> tuple[float, float]:
    """Draw half axes, the longer first, of an ellipse of that area, in parts of a side."""
    stretch = draw.uniform(1, STRETCH)
    long = math.sqrt(area * stretch / math.pi)
    return long, long / stretch


def _turned(x: float, y: float, turn: float) -> NDArray[np.float64]:
    cos, sin = math.cos(turn), math.sin(turn)
    return np.array([x * cos - y * sin, x * sin + y * cos])


def _ellipse(
    shape: tuple[int, ...], centre: NDArray[np.float64], axes: tuple[float, float], turn: float
) -> Bools:
    """Return which pixels' centres lie in an ellipse; `centre` is (x, y) in parts of the sides."""
    y, x = ((np.arange(n) + 0.5) / n - at for n, at in zip(shape, centre[::-1], strict=True))
    cos, sin = math.cos(turn), math.sin(turn)
    along, beside = x * cos + y[:, None] * sin, y[:, None] * cos - x * sin
    inside: Bools = (along / axes[0]) ** 2 + (beside / axes[1]) ** 2 <= 1
    return inside


def _weights(count: int, length: int, like: Tensor) -> Tensor:
    """Return what each of `count` cells adds to each of `length` pixels: (length, count)."""
    each = torch.eye(count, device=like.device, dtype=like.dtype)
    wide = functional.interpolate(each[None], length, mode="linear", align_corners=False)
    return wide[0].T
