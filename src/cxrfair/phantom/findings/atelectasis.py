"""A collapsed band of lung above the diaphragm, which rises on that side."""

import numpy as np

from cxrfair.phantom.canvas import glow
from cxrfair.phantom.findings._finding import Column, Finding, Spot
from cxrfair.phantom.noise import Floats


def _band(spot: Spot) -> Floats:
    """Draw a tilted band."""
    grid = spot.grid
    tilt = 0.22 * (grid.ax - spot.x)
    off = grid.y - spot.body["diaphragm"] + 0.24 - tilt - 0.012 * spot.texture
    band = glow(off, 0.036 * spot.size) * glow(grid.ax - spot.x, 0.15)
    drawn: Floats = np.clip(1.2 * band - 0.05, 0, 1) * spot.chest.air * spot.on_side()
    return drawn


def _volume_loss(side: Column, load: Column, _severity: Column) -> dict[str, Column]:
    """Raise one half of the diaphragm."""
    return {"tilt": -0.09 * side * load}


FINDING = Finding(_band, density=0.34, reshape=_volume_loss)
