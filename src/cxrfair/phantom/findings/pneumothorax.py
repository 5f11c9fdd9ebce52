"""Air beside the lung at the top of a chest half: dark, without markings, behind a fine line."""

import numpy as np

from cxrfair.phantom.canvas import edge, glow
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats


def _depth(spot: Spot) -> Floats:
    """Return how deep the air reaches below the chest wall, by height."""
    drawn: Floats = (0.09 + 0.16 * spot.severity) * edge(0.1 - spot.grid.y, 0.3)
    return drawn


def _crescent(spot: Spot) -> Floats:
    """Fill the space between wall and lung."""
    crescent = edge(_depth(spot) - spot.chest.rim, 0.012) * edge(0.05 - spot.grid.y, 0.1)
    return crescent * spot.chest.lung * spot.on_side()


def _dark_behind_a_line(spot: Spot, mask: Floats) -> Floats:
    """Darken the crescent, and brighten the lung's edge."""
    line = glow(_depth(spot) - spot.chest.rim - 0.01, 0.009)
    shown: Floats = mask * (1 - 1.5 * line)
    return np.minimum(shown, 1)


FINDING = Finding(_crescent, density=-0.16, shade=_dark_behind_a_line)
