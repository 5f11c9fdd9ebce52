"""Pencils: soft edges, smooth noise and the coordinates a batch of pictures is drawn in.

Coordinates run from -1 to 1, x to the right of the picture (the patient's left), y downwards.
Everything is float32 of shape (n, size, size), parameters (n, 1, 1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from cxrfair.phantom.noise import Floats, Keys

Parameters = Mapping[str, Floats]
Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """Where each pixel lies in the body: `x`, `y`, and the distance from the midline `ax`."""

    x: Floats
    y: Floats
    ax: Floats

    @property
    def size(self) -> int:
        """Return the number of pixels across."""
        return int(self.x.shape[-1])

    def __getitem__(self, rows: Keys) -> "Grid":
        """Return the grid of some of the pictures."""
        return Grid(self.x[rows], self.y[rows], self.ax[rows])

    def part(self, window: Window) -> "Grid":
        """Return a rectangle of every picture."""
        return Grid(self.x[window], self.y[window], self.ax[window])


def parameters(scene: pd.DataFrame) -> Parameters:
    """Return every numeric column of a scene as (n, 1, 1)."""
    numeric = scene.select_dtypes(["number", "bool"])
    return {
        str(name): column.to_numpy(np.float32)[:, None, None] for name, column in numeric.items()
    }


class Picked(Mapping[str, Floats]):
    """The parameters of some of the pictures, each taken only when it is asked for."""

    def __init__(self, p: Parameters, rows: Keys) -> None:
        self._p, self._rows = p, rows

    def __getitem__(self, name: str) -> Floats:
        """Return one parameter."""
        return self._p[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._p)

    def __len__(self) -> int:
        """Return how many parameters there are."""
        return len(self._p)


def grid(p: Parameters, size: int) -> Grid:
    """Lay the body of each picture under its pixels: rotated, scaled and shifted."""
    u, v = raster(size)
    cos, sin = np.cos(p["rotation"]) / p["zoom"], np.sin(p["rotation"]) / p["zoom"]
    x = u * cos - v * sin - p["shift_x"]
    y = u * sin + v * cos - p["shift_y"]
    return Grid(x, y, np.abs(x))


@lru_cache(maxsize=8)
def raster(size: int) -> tuple[Floats, Floats]:
    """Return pixel centres, x of shape (1, 1, size) and y of shape (1, size, 1)."""
    centres = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    return centres[None, None, :], centres[None, :, None]


def window(size: int, across: tuple[float, float], down: tuple[float, float]) -> Window:
    """Return the rectangle of pixels between two places across and two down, from -1 to 1.

    What is small is drawn in its own rectangle only, which is what makes drawing fast.
    """
    left, right, top, bottom = (
        min(max(round((place + 1) / 2 * size), 0), size) for place in (*across, *down)
    )
    return slice(None), slice(top, bottom), slice(left, right)


def edge(distance: Floats, softness: float) -> Floats:
    """Go from 0 to 1 as a signed distance passes zero, over about `softness` either side."""
    ramp: Floats = distance * np.float32(0.5 / softness)
    ramp += np.float32(0.5)
    return np.clip(ramp, 0, 1, out=ramp)


def disc(dx: Floats, dy: Floats, softness: float = 0.2) -> Floats:
    """Fill the ellipse dx^2 + dy^2 < 1, its rim soft over `softness` of its radius."""
    return edge(1 - (dx * dx + dy * dy), 2 * softness)


def glow(distance: Floats, width: float | Floats) -> Floats:
    """Return a bell of the given width around distance zero."""
    ratio: Floats = distance / width
    ratio *= ratio
    ratio *= np.float32(-0.5)
    return np.exp(ratio, out=ratio)


def smooth(coarse: Floats, size: int) -> Floats:
    """Enlarge coarse noise (n, k, k) to (n, size, size), smoothly."""
    weights = _spline(coarse.shape[-1], size)
    grown: Floats = weights @ coarse @ weights.T
    return grown


@lru_cache(maxsize=32)
def _spline(points: int, size: int) -> Floats:
    """Return (size, points) weights that blend coarse points, rows of unit variance."""
    at = (np.arange(size) + 0.5) / size * (points - 1)
    weights = np.exp(-0.5 * ((at[:, None] - np.arange(points)) / 0.6) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return weights.astype(np.float32)
