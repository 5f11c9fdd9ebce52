"""Random changes to images, each image's draw decided by (seed, epoch, image, occurrence) alone."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section

# flip, rotation, shift x, shift y, brightness, contrast, crop, place of the crop x, and y
_DRAWS = 9


class AugmentConfig(Section):
    """Part `train.augment` of params.yaml; zero turns a change off.

    `flip` is a chance, `rotation_degrees` the largest angle, `shift` the largest share of the
    side, `intensity` the largest relative change of brightness and contrast, `crop` the largest
    share of the side that is cut away: what is left, at a random place, fills the image again.
    """

    flip: float = Field(ge=0, le=1)
    rotation_degrees: float = Field(ge=0, le=180)
    shift: float = Field(ge=0, le=1)
    intensity: float = Field(ge=0, le=1)
    crop: float = Field(ge=0, lt=1)


def draws(
    seed: int, epoch: int, image: NDArray[np.int64], occurrence: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Draw uniform numbers in [0, 1), shape (n, 9), by hashing (seed, epoch, image, occurrence, j).

    A counter-based draw (splitmix64) does not depend on batch order, workers or device.

    Parameters
    ----------
    image, occurrence
        Shape (n,), not negative: an image's key, and how often it came before in this epoch, so
        that one that is drawn three times is changed in three ways.
    """
    state = _mix(_mix(np.array([epoch], np.uint64)) ^ np.uint64(seed))
    of_image = _mix(image.astype(np.uint64) ^ state)
    of_copy = _mix(of_image ^ occurrence.astype(np.uint64))
    each: NDArray[np.uint64] = np.add(of_copy[:, None], np.arange(_DRAWS, dtype=np.uint64))
    return (_mix(each) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def normals(key: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """Draw standard normal numbers, shape (n, width), by hashing (key, j): a key has one draw."""
    of_key = _mix(key.astype(np.uint64))
    each: NDArray[np.uint64] = np.add(_mix(of_key)[:, None], np.arange(width, dtype=np.uint64))
    uniform = ((_mix(each) >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    drawn: NDArray[np.float32] = ndtri(uniform).astype(np.float32)
    return drawn


def augment(images: Tensor, uniform: NDArray[np.float32], config: AugmentConfig) -> Tensor:
    """Flip, rotate, crop, shift and change the intensity of square images (n, 1, s, s) in [0, 1].

    What is moved in from outside is black. With every change off the images come back as they are.
    An image's result is the same bytes on a CPU whatever else is in the batch; nothing waits for a
    GPU, and its result is that of a CPU to float tolerance.

    Parameters
    ----------
    uniform
        What `draws` gave for these images, shape (n, 9).
    """
    images = move(images, uniform, config)
    if config.intensity:
        signed = 2 * uniform.astype(np.float64) - 1
        gain = 1 + config.intensity * signed[:, 5]
        offset = 0.5 * (1 - gain) + config.intensity * signed[:, 4]
        shade = _on(np.stack([gain, offset]), images.device).view(2, -1, 1, 1, 1)
        images = images.mul(shade[0]).add_(shade[1]).clamp_(0, 1)
    return images


def move(images: Tensor, uniform: NDArray[np.float32], config: AugmentConfig) -> Tensor:
    """Flip, rotate, crop and shift square images or their masks (n, k, s, s) in [0, 1].

    With the draws of its image a mask ends where `augment` puts what it covers. It is sampled
    bilinearly, so that its border is soft, and what comes from outside is 0.
    """
    flipped = uniform[:, 0] < config.flip
    if config.rotation_degrees or config.shift or config.crop:
        return _moved(images, _affine(uniform, flipped, config))
    if config.flip:
        # Copied, not sampled: faster, and no pixel is blurred.
        mirrored = pinned(flipped, images.device).to(images.device, non_blocking=True)
        return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
    return images


def pinned(values: NDArray[np.generic], device: torch.device) -> Tensor:
    """Hold an array where `device` can copy it from without anybody waiting."""
    held = torch.from_numpy(values)
    return held.pin_memory() if device.type == "cuda" else held


def _affine(
    uniform: NDArray[np.float32], flipped: NDArray[np.bool_], config: AugmentConfig
) -> NDArray[np.float64]:
    """Say where each image's pixels come from: matrices (n, 2, 3) on coordinates in [-1, 1].

    Made on the CPU whatever the device, so that all devices move a pixel from the same place.
    """
    signed = 2 * uniform.astype(np.float64) - 1
    angle = np.radians(signed[:, 1] * config.rotation_degrees)
    left = 1 - config.crop * uniform[:, 6].astype(np.float64)  # share of the side
    mirror = np.where(flipped, -left, left)
    # A window of that share can move by the rest of the side and stay within the image.
    place = 2 * config.shift * signed[:, 2:4] + (1 - left)[:, None] * signed[:, 7:9]
    cos, sin = np.cos(angle), np.sin(angle)
    across = np.stack([mirror * cos, -left * sin, place[:, 0]], 1)
    down = np.stack([mirror * sin, left * cos, place[:, 1]], 1)
    return np.stack([across, down], 1)


def _moved(images: Tensor, affine: NDArray[np.float64]) -> Tensor:
    """Sample images bilinearly at the places that matrices (n, 2, 3) name.

    The grid is a sum of what columns and rows give: `functional.affine_grid` multiplies matrices
    for it, which takes fifty times as long on a CPU and rounds by the size of the batch.
    """
    height, width = images.shape[-2:]
    matrix = _on(affine, images.device)[..., None, None]
    of_column = matrix[:, :, 0] * _centres(width, images.device)
    of_row = matrix[:, :, 1] * _centres(height, images.device)[:, None] + matrix[:, :, 2]
    grid = (of_column + of_row).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, align_corners=False).clamp_(0, 1)


def _centres(count: int, device: torch.device) -> Tensor:
    """Return where the centres of `count` pixels lie between the borders -1 and 1."""
    return (2 * torch.arange(count, device=device, dtype=torch.float32) + 1) / count - 1


def _on(values: NDArray[np.float64], device: torch.device) -> Tensor:
    """Copy numbers to a device as float32, without waiting for it."""
    return pinned(values.astype(np.float32), device).to(device, non_blocking=True)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (Steele et al. 2014, splitmix64); overflow wraps by design."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
