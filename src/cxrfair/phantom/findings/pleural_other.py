"""Pleura thickened along the chest wall, unevenly."""

import numpy as np

from cxrfair.phantom.canvas import edge, glow
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats


def _rind(spot: Spot) -> Floats:
    """Draw a rind inside the wall, thickest at the finding's height."""
    tall = glow(spot.grid.y - spot.y, 0.30 * spot.size)
    thick = (0.05 + 0.05 * spot.severity) * tall * np.clip(1 + 0.35 * spot.texture, 0.4, 1.8)
    rind = edge(thick - spot.chest.rim, 0.02) * edge(tall - 0.25, 0.2)
    drawn: Floats = rind * spot.chest.lung * spot.on_side()
    return drawn


FINDING = Finding(_rind, density=0.32, heights=(-0.35, 0.3))
