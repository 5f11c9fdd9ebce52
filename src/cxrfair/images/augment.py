"""Random changes to a batch of images, each image's draw decided by (seed, epoch, image) alone."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section

_DRAWS = 6  # flip, rotation, shift x, shift y, brightness, contrast


class AugmentConfig(Section):
    """Part `train.augment` of params.yaml; zero turns a change off.

    `flip` is a chance, `rotation_degrees` the largest angle, `shift` the largest share of the
    side, `intensity` the largest relative change of brightness and contrast.
    """

    flip: float = Field(ge=0, le=1)
    rotation_degrees: float = Field(ge=0, le=180)
    shift: float = Field(ge=0, le=1)
    intensity: float = Field(ge=0, le=1)
    crop: float = Field(ge=0, lt=1)


def draws(seed: int, epoch: int, image: NDArray[np.int64]) -> NDArray[np.float32]:
    """Draw uniform numbers in [0, 1), shape (n, 6), by hashing (seed, epoch, image, j).

    A counter-based draw (splitmix64) does not depend on batch order, workers or device.
    """
    state = _mix(_mix(np.array([epoch], np.uint64)) ^ np.uint64(seed))
    of_image = _mix(image.astype(np.uint64)[:, None] ^ state)
    each: NDArray[np.uint64] = np.add(of_image, np.arange(_DRAWS, dtype=np.uint64))
    return (_mix(each) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def augment(images: Tensor, uniform: NDArray[np.float32], config: AugmentConfig) -> Tensor:
    """Flip, rotate, shift and change the intensity of images (n, 1, h, w) in [0, 1]."""
    u = torch.from_numpy(uniform).to(images.device)
    signed = 2 * u - 1
    angle = signed[:, 1] * math.radians(config.rotation_degrees)
    mirror = 1 - 2 * (u[:, 0] < config.flip).to(images.dtype)
    shift = 2 * config.shift * signed[:, 2:4]
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = (
        torch.stack([mirror * cos, -sin, shift[:, 0]], 1),
        torch.stack([mirror * sin, cos, shift[:, 1]], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    gain = (1 + config.intensity * signed[:, 5]).view(-1, 1, 1, 1)
    offset = (config.intensity * signed[:, 4]).view(-1, 1, 1, 1)
    return ((moved - 0.5) * gain + 0.5 + offset).clamp(0, 1)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (Steele et al. 2014, splitmix64); overflow wraps by design."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
