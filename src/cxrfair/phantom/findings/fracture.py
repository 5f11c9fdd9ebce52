"""Broken ribs at the side of the chest: a step where each broke, and some callus around it."""

import numpy as np

from cxrfair.phantom import bones
from cxrfair.phantom.canvas import Grid, disc, edge
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats

STEP = 0.05  # half pictures the outer piece slips down
DEPTH = 0.13  # of the break below the chest wall


def _break(spot: Spot) -> Floats:
    """Return the place around the break, over two to four ribs."""
    dx = (spot.chest.rim - DEPTH) / 0.15
    dy = (spot.grid.y - spot.y) / (0.19 * spot.size)
    return disc(dx, dy, 0.15) * edge(spot.chest.rim + 0.02, 0.02) * spot.on_side()


def _step(spot: Spot, mask: Floats) -> Floats:
    """Move the ribs' outer ends down, and thicken them beside the break."""
    grid = spot.grid
    covered = spot.chest.covered()
    whole = bones.ribs(grid, spot.body, spot.chest.rim, covered)
    slipped = Grid(grid.x, grid.y - STEP, grid.ax)
    moved = bones.ribs(slipped, spot.body, spot.chest.rim, covered)
    outer = edge(DEPTH - spot.chest.rim, 0.01)
    off = (spot.chest.rim - DEPTH) / 0.016
    gap = np.exp(-off * off)
    callus = np.exp(-0.1 * off * off) - gap
    either = np.maximum(whole, moved)
    shown: Floats = mask * (outer * (moved - whole) - 0.6 * gap * whole + 1.0 * callus * either)
    return shown


FINDING = Finding(_break, density=1.4, hides=0.0, heights=(-0.25, 0.25), shade=_step)
