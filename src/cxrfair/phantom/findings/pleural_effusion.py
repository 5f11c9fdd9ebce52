"""Fluid that fills a costophrenic angle and climbs along the chest wall."""

import numpy as np

from cxrfair.phantom.canvas import edge, glow
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats


def _meniscus(spot: Spot) -> Floats:
    """Fill below a level that rises towards the wall."""
    chest = spot.chest
    level = spot.body["diaphragm"] + 0.02 - 0.40 * spot.severity
    rise = 0.20 * glow(chest.rim, 0.14)
    air: Floats = np.maximum(chest.lung, 0.25 * chest.cavity)
    air *= 1 - 0.9 * np.maximum(chest.heart, chest.trunk)
    fluid = edge(spot.grid.y - level + rise, 0.05) * air
    return fluid * spot.on_side()


FINDING = Finding(_meniscus, density=0.30, both_share=0.3)
