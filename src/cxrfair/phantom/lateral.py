"""The side view, the patient facing left: for the filters that leave it out.

Body, lungs and heart are those of the frontal view, seen from the side. Of the findings only the
fluid, which fills the recess behind, and the heart's size are drawn: views are told apart, and no
mask is promised.
"""

import numpy as np

from cxrfair.phantom.canvas import Grid, Parameters, disc, edge, glow
from cxrfair.phantom.noise import Floats

AIR = 0.40  # how much darker lung is than the tissue around it
SPINE = 0.42  # where the vertebrae stand, half a chest behind the middle


def shadow(grid: Grid, p: Parameters, texture: Floats) -> Floats:
    """Add up what the body absorbs seen from its left; about 0 to 1.2.

    `texture` is the patient's smooth noise (n, size, size), which crooks the vessels.
    """
    x, y = grid.x, grid.y
    floor = _diaphragm(grid, p)
    lung = _lung(grid, p) * edge(floor - y, 0.016)
    heart = _heart(grid, p)
    total = _torso(grid, p) * (0.66 + p["fat"] + 0.14 * edge(y - floor, 0.3))
    total += 0.14 * edge(-0.46 - y, 0.16) * glow(x - 0.05, 0.42)  # shoulders, seen through
    total -= AIR * (1 - 0.3 * edge(-0.42 - y, 0.3)) * lung * (1 - 0.62 * heart)
    total += _fluid(grid, p, floor) * lung
    total += lung * _vessels(grid, p, texture)
    total += _bones(grid, p)
    total += _windpipe(grid)
    total += 0.5 * p["breast"] * disc((x + 0.70) / 0.26, (y - p["breast_y"]) / 0.30, 0.3)
    return total


def _torso(grid: Grid, p: Parameters) -> Floats:
    """Fill the body: the breastbone slopes forwards, the back is round, the arms are raised."""
    x, y = grid.x, grid.y
    front = -0.58 - 0.10 * np.clip(y + 0.4, -0.3, 0.8) - 0.5 * p["fat"] + 0.3 * edge(-0.7 - y, 0.2)
    back = 0.76 - 0.16 * np.square(y + 0.05) + 0.5 * p["fat"]
    return edge(x - front, 0.03) * edge(back - x, 0.03)


def _lung(grid: Grid, p: Parameters) -> Floats:
    """Fill both lungs, one behind the other: narrow above, their widest above the diaphragm."""
    x, y = grid.x, grid.y
    up = np.clip((y - 0.28) / (1.06 * p["lung_height"]), -1, 1)
    half = np.sqrt(1 - up * up)
    front = 0.02 - 0.55 * half - 0.07 * np.clip(y + 0.2, 0, 0.8)
    back = 0.06 + 0.60 * half
    return edge(x - front, 0.025) * edge(back - x, 0.025) * edge(y + 0.74, 0.08)


def _diaphragm(grid: Grid, p: Parameters) -> Floats:
    """Return how low the lung reaches: a dome in front, and a deep recess behind."""
    behind = np.maximum(grid.x + 0.18, 0)
    before = np.maximum(-0.18 - grid.x, 0)
    low: Floats = p["diaphragm"] - 0.06 + 0.55 * np.square(behind) + 0.30 * np.square(before)
    return low


def _heart(grid: Grid, p: Parameters) -> Floats:
    """Lay the heart on the front of the diaphragm, with the great vessels rising from it."""
    half = 0.72 * p["heart_ratio"] * p["lung_width"] / 0.7
    dx, dy = grid.x + 0.24, grid.y - p["diaphragm"] + 0.20
    across, along = dx * 0.87 - dy * 0.50, dy * 0.87 + dx * 0.50
    heart = disc(across / (0.08 + 0.9 * half), along / (0.05 + 0.70 * half), 0.22)
    rise = 0.55 * disc((grid.x + 0.10) / 0.16, (grid.y + 0.16) / 0.30, 0.5)
    arch = np.sqrt(np.square(grid.x - 0.10) + np.square(grid.y + 0.18))
    ring = 0.5 * glow(arch - 0.19, 0.045) * edge(-0.16 - grid.y, 0.12)
    drawn: Floats = np.maximum(heart, np.maximum(rise, ring))
    return drawn


def _fluid(grid: Grid, p: Parameters, floor: Floats) -> Floats:
    """Fill the recess behind, higher along the back."""
    level = p["diaphragm"] + 0.10 - 0.45 * p["pleural_effusion_severity"]
    rise = 0.20 * glow(grid.x - 0.62, 0.16)
    depth = edge(grid.y - level + rise, 0.05) * edge(grid.x - 0.02, 0.25)
    filled: Floats = 0.27 * p["pleural_effusion_load"] * depth * edge(floor - grid.y + 0.1, 0.1)
    return filled


def _vessels(grid: Grid, p: Parameters, texture: Floats) -> Floats:
    """Draw the hila over one another, and vessels that fan out from them."""
    dx, dy = grid.x - 0.02, grid.y + 0.02
    far = np.sqrt(np.square(dx) + np.square(dy))
    near = glow(dx, 0.26) * glow(dy, 0.32) * edge(far - 0.10, 0.08)
    fan = np.cos(9 * np.arctan2(dy, dx) + 2.2 * texture + 4 * far)
    hila = disc(dx / 0.13, dy / 0.16, 0.9)
    drawn: Floats = p["vessels"] * (0.5 * near * edge(fan - 0.5, 0.6) + 1.0 * hila + 0.3 * texture)
    return drawn


def _bones(grid: Grid, p: Parameters) -> Floats:
    """Draw vertebrae with discs between them, ribs that run down and forwards, the breastbone."""
    x, y = grid.x, grid.y
    bow = SPINE + 0.02 - 0.16 * np.square(y - 0.05) - 0.04 * y
    pile = np.cos((y + 0.03 * (x - SPINE)) * (2 * np.pi / 0.155) + p["rib_phase"])
    fading = 1 - 0.45 * edge(y - 0.15, 0.5)  # the lungs overlap the lower spine more
    bodies = edge(0.075 - np.abs(x - bow), 0.02) * (0.75 + 0.35 * edge(pile + 0.55, 0.3)) * fading
    thorns = 0.5 * glow(x - bow - 0.16, 0.05) * edge(pile - 0.2, 0.5)
    total: Floats = (p["spine"] + 0.07) * (bodies + thorns)
    turn = 2 * np.pi / (1.05 * p["rib_pitch"])
    slope = y - 0.55 * (SPINE - x) + 0.30 * np.square(x)
    ribs = edge(np.cos(slope * turn + p["rib_phase"]) - 0.45, 0.5)
    ribs += 0.7 * edge(np.cos((slope + 0.05) * turn + 1.3 * p["rib_phase"]) - 0.55, 0.5)
    cage = edge(x + 0.45, 0.25) * edge(0.70 - x, 0.06) * edge(y + 0.62, 0.2) * edge(0.75 - y, 0.3)
    total += 0.55 * p["bone"] * ribs * cage
    front = -0.50 - 0.10 * np.clip(y + 0.4, -0.3, 0.8)
    total += 1.1 * p["bone"] * glow(x - front, 0.025) * edge(y + 0.48, 0.05) * edge(0.30 - y, 0.08)
    return total


def _windpipe(grid: Grid) -> Floats:
    """Draw the column of air that comes down behind the breastbone, with its last dark ring."""
    middle = -0.02 + 0.14 * (grid.y + 0.35)
    pipe = edge(0.045 - np.abs(grid.x - middle), 0.025) * edge(-0.08 - grid.y, 0.06)
    ring = disc((grid.x - 0.03) / 0.05, (grid.y + 0.03) / 0.05, 0.5)
    drawn: Floats = -0.11 * pipe * edge(grid.y + 0.95, 0.1) - 0.07 * ring
    return drawn
