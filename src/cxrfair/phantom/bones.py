"""Bones: ribs, collar bones, shoulder blades, arms and spine, each a layer of shadow."""

import numpy as np

from cxrfair.phantom.canvas import Grid, Parameters, edge, glow
from cxrfair.phantom.noise import Floats


def ribs(grid: Grid, p: Parameters, rim: Floats, covered: Floats) -> Floats:
    """Draw the ribs' backs and fronts and the chest wall.

    `rim` is the depth below the wall and `covered` how much hides the ribs, 0 to 1.
    """
    y, ax = grid.y, grid.ax
    cage = edge(rim + 0.03, 0.03)
    cage *= 1 - covered
    turn = np.float32(2 * np.pi) / p["rib_pitch"]
    bow = ax - 0.2
    bow *= bow
    back = np.cos((y + 0.10 - 1.05 * bow) * turn + p["rib_phase"])
    front = np.cos((y + 0.62 * ax) * (0.84 * turn) + 2 * p["rib_phase"])
    bars = _bar(back)
    bars *= edge(ax - 0.10, 0.05)
    bars += 0.42 * _bar(front) * edge(ax - 0.30, 0.14)
    bars *= cage
    bars += 0.7 * glow(rim + 0.015, 0.022) * (1 - covered) * edge(ax - 0.2, 0.1)
    bars *= p["bone"]
    return bars


def _bar(wave: Floats) -> Floats:
    """Turn a wave into bars with bright rims, as the hard outside of a bone gives."""
    bar = edge(wave - 0.15, 0.25)
    bar *= 0.75
    bar += 0.30 * edge(0.22 - np.abs(wave - 0.32), 0.22)
    return bar


def shoulders(grid: Grid, p: Parameters) -> Floats:
    """Draw collar bones, heads of the arms and shoulder blades, these nearer in bedside pictures.

    Arms are rolled forward for a standing picture, which moves the blades off the lungs.
    """
    y, ax = grid.y, grid.ax
    off = y + 0.55 + 0.28 * (ax - 0.1) - 0.6 * np.square(ax - 0.42)
    reach = edge(ax - 0.08, 0.03) * edge(0.80 - ax, 0.05)
    collar = edge(0.033 - np.abs(off), 0.014) + 0.5 * edge(0.012 - np.abs(np.abs(off) - 0.03), 0.01)
    inner = 0.66 - 0.10 * p["portable"] + 0.22 * (y + 0.45)
    blade = edge(ax - inner, 0.02) * edge(0.27 - np.abs(y + 0.28), 0.08) * edge(0.95 - ax, 0.05)
    spine = glow(y + 0.50 + 0.25 * (ax - 0.75), 0.022) * edge(ax - 0.62, 0.05)
    dx, dy = (ax - 0.97) / 0.15, (y + 0.50) / 0.16
    head = edge(1 - dx * dx - dy * dy, 0.35)
    drawn: Floats = p["bone"] * (
        1.25 * np.minimum(collar, 1.4) * reach + 0.42 * blade + 0.7 * spine + 0.8 * head
    )
    return drawn


def spine(grid: Grid, p: Parameters) -> Floats:
    """Draw the vertebrae, narrower towards the neck, with the gaps between and their arches."""
    y, ax = grid.y, grid.ax
    gaps = 0.80 + 0.20 * np.cos(y * 38 + p["rib_phase"])
    column = edge(0.083 + 0.018 * y - ax, 0.02)
    arches = glow(ax - 0.045, 0.014) * edge(np.cos(y * 38 + p["rib_phase"] + 1.5) - 0.4, 0.4)
    drawn: Floats = p["spine"] * (column * gaps + 0.5 * arches)
    return drawn
