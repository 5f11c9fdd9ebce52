"""What holds people up: a central line, a breathing tube, a pacemaker, leads on the skin."""

from collections.abc import Sequence

import numpy as np

from cxrfair.phantom.canvas import Grid, edge
from cxrfair.phantom.findings._finding import Finding, Spot
from cxrfair.phantom.noise import Floats

Curve = Sequence[float]  # a polynomial, constant first

LINE: Curve = (-0.130, 0.0, 0.0, 0.19)
TUBE: Curve = (-0.014, 0.010, 0.04)
STOMACH: Curve = (0.01, 0.0, 0.22, 0.2)
LEFT_WIRE: Curve = (-0.72, -0.38, 0.16)
RIGHT_WIRE: Curve = (0.66, 0.30, -0.10)
LOW_WIRE: Curve = (0.47, 0.10, 0.36)
VEIN: Curve = (-0.41, -0.50, 0.95)  # of the pacemaker's lead, y by x
HEART: Curve = (0.06, 0.42, 0.9)
PADS = ((-0.56, -0.38), (0.55, -0.36), (0.53, 0.35))
BOX = (0.50, -0.42)


def _thread(along: Floats, off: Floats, curve: Curve, width: float) -> Floats:
    """Draw a thread where `off` is a polynomial of `along`; thinner than a pixel it is fainter."""
    at, slope = np.zeros_like(along), np.zeros_like(along)
    for factor in reversed(curve):
        slope = slope * along + at
        at = at * along + np.float32(factor)
    far = np.abs(off - at) / np.sqrt(1 + slope * slope)
    return edge(width - far, 1 / along.shape[-1])


def _between(values: Floats, low: float, high: float) -> Floats:
    """Return 1 between two places, with soft ends."""
    return edge(values - low, 0.02) * edge(high - values, 0.02)


def _central_line(grid: Grid) -> Floats:
    """Draw a line from the neck's right side down to the heart."""
    return _thread(grid.y, grid.x, LINE, 0.010) * edge(0.02 - grid.y, 0.01)


def _bedside(grid: Grid) -> Floats:
    """Draw a breathing tube, a feeding tube and a central line."""
    tube = _thread(grid.y, grid.x, TUBE, 0.024) - 0.55 * _thread(grid.y, grid.x, TUBE, 0.013)
    tube *= edge(-0.36 - grid.y, 0.01)
    fed = _thread(grid.y, grid.x, STOMACH, 0.012) * edge(0.78 - grid.y, 0.01)
    return np.maximum(np.maximum(tube, fed), _central_line(grid))


def _skin(grid: Grid) -> Floats:
    """Draw the leads of a monitor with their pads, and a central line."""
    drawn = _central_line(grid)
    ends = ((-1.0, -0.38), (-1.0, -0.36), (0.35, 1.0))
    for wire, (low, high) in zip((LEFT_WIRE, RIGHT_WIRE, LOW_WIRE), ends, strict=True):
        thread = _thread(grid.y, grid.x, wire, 0.009) * _between(grid.y, low, high)
        drawn = np.maximum(drawn, thread)
    for x, y in PADS:
        far = np.sqrt(np.square(grid.x - x) + np.square(grid.y - y))
        drawn = np.maximum(drawn, edge(0.030 - far, 1 / grid.size))
    return drawn


def _pacemaker(grid: Grid) -> Floats:
    """Draw the box below the collar bone, and its lead through the vein into the heart."""
    dx, dy = (grid.x - BOX[0]) / 0.11, (grid.y - BOX[1]) / 0.095
    box = edge(1 - np.sqrt(np.sqrt(dx**4 + dy**4)), 0.10)
    vein = _thread(grid.x, grid.y, VEIN, 0.011) * _between(grid.x, -0.14, 0.46)
    heart = _thread(grid.y, grid.x, HEART, 0.011) * _between(grid.y, -0.33, 0.36)
    return np.maximum(box, np.maximum(vein, heart))


KINDS = (_bedside, _skin, _pacemaker)


def _devices(spot: Spot) -> Floats:
    """Draw one kind in each picture, chosen by the finding's height; size shifts and turns it."""
    drawn = np.empty_like(spot.grid.x)
    kind = np.minimum((spot.y * len(KINDS)).astype(int), len(KINDS) - 1).ravel()
    off = (spot.size - 1) * np.float32(0.12)
    grid = Grid(spot.grid.x - off * (1 + spot.grid.y), spot.grid.y - off, spot.grid.ax)
    for i, draw in enumerate(KINDS):
        rows = np.flatnonzero(kind == i)
        if len(rows):
            drawn[rows] = draw(grid[rows])
    return drawn


FINDING = Finding(_devices, density=0.22, hides=0.0, heights=(0.0, 1.0))
