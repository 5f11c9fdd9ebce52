"""What a finding is: the contract of this folder's files, and the shapes several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrfair.phantom.anatomy import Thorax
from cxrfair.phantom.canvas import Grid, Parameters, edge
from cxrfair.phantom.noise import Floats

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Spot:
    """One finding in some pictures: the bodies it lies in, and its own numbers, each (n, 1, 1).

    `side` is -1 for the picture's left, 1 for its right and 0 for both; `x` the distance from the
    midline and `y` the height, in half pictures; `size` a factor around 1; `severity` in [0, 1).
    `texture` is smooth noise (n, size, size), the patient's own, that roughens edges.
    """

    grid: Grid
    body: Parameters
    chest: Thorax
    texture: Floats
    side: Floats
    x: Floats
    y: Floats
    size: Floats
    severity: Floats

    def on_side(self) -> Floats:
        """Return 1 in the half of the picture the finding lies in, and everywhere for both."""
        here = np.sign(self.grid.x) == self.side
        return np.where(self.side == 0, np.float32(1), here.astype(np.float32))


@dataclass(frozen=True)
class Finding:
    """How a finding is placed and drawn.

    Attributes
    ----------
    mask
        Where it lies, 0 to 1 by pixel.
    density
        The shadow it adds where it shows in full; negative for air.
    hides
        Share of the lung's own markings it takes the place of.
    heights
        Lowest and highest `y` it is placed at.
    both_share
        Share of its cases that lie on both sides.
    shade
        How far each pixel shows it, from the spot and its mask; the mask itself if not given.
    reshape
        What it adds to the body: columns of `anatomy.measure`, from side, load and severity.
    """

    mask: Callable[[Spot], Floats]
    density: float
    hides: float = 1.0
    heights: tuple[float, float] = (-0.35, 0.35)
    both_share: float = 0.0
    shade: Callable[[Spot, Floats], Floats] = lambda _spot, mask: mask
    reshape: Callable[[Column, Column, Column], Mapping[str, Column]] = lambda *_: {}


def patch(spot: Spot, radius: float, rough: float, soft: float) -> Floats:
    """Fill a rough-edged patch of lung on one side."""
    reach = radius * spot.size
    dx, dy = (spot.grid.ax - spot.x) / reach, (spot.grid.y - spot.y) / reach
    filled = edge(1 - dx * dx - dy * dy + rough * spot.texture, soft)
    filled *= spot.chest.air
    filled *= spot.on_side()
    return filled


def within(spot: Spot, mask: Floats) -> Floats:
    """Show a disc less where heart and diaphragm already hide the lung."""
    shown: Floats = mask * (0.3 + 0.7 * spot.chest.air)
    return shown


def bronchograms(spot: Spot, mask: Floats) -> Floats:
    """Thin a patch along the air-filled bronchi that run through it from the hilum."""
    dx, dy = spot.grid.ax - 0.05, spot.grid.y - 0.02
    fan = np.cos(15 * np.arctan2(dy, dx) + 1.5 * spot.texture)
    shown: Floats = mask * (1 - 0.28 * edge(fan - 0.75, 0.3) - 0.07 * np.abs(spot.texture))
    return shown
