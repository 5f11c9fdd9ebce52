"""Haze spreading like wings from both hila, with speckle of filled air spaces."""

import numpy as np

from cxrfair.phantom.canvas import glow
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats


def _wings(spot: Spot) -> Floats:
    """Draw both wings."""
    wing = glow(spot.grid.ax - 0.25, 0.18 * spot.size) * glow(spot.grid.y - 0.04, 0.28)
    speckle: Floats = np.clip(0.95 + 0.2 * spot.texture, 0, 1)
    return wing * spot.chest.air * speckle


FINDING = Finding(_wings, density=0.21, both_share=1.0)
