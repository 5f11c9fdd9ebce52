"""The body: what is measured of each person (S -> X), and its shadow, layer by layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrfair.phantom import noise
from cxrfair.phantom.canvas import Grid, Parameters, disc, edge, glow, window
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats, Keys

Extent = tuple[tuple[float, float], tuple[float, float]]

AIR = 0.40  # how much darker lung is than the tissue around it


@dataclass(frozen=True)
class Thorax:
    """The regions findings are placed in, each from 0 to 1, and what lies over them."""

    lung: Floats
    cavity: Floats  # lung and the costophrenic recess below it
    heart: Floats
    air: Floats  # lung that the heart does not hide
    breast: Floats  # shadow of the breasts, not from 0 to 1
    rim: Floats  # depth below the chest wall

    def __getitem__(self, rows: Keys) -> "Thorax":
        """Return the regions of some of the pictures."""
        fields = (self.lung, self.cavity, self.heart, self.air, self.breast, self.rim)
        return Thorax(*(field[rows] for field in fields))


def measure(config: PhantomConfig, persons: pd.DataFrame) -> pd.DataFrame:
    """Return the body of each row's patient, in units of half a picture.

    Sex moves the thorax's width and adds a breast shadow, age dims the ribs, unfolds the aorta and
    brightens the spine, each in proportion to its strength in `direct_path`.
    """
    z = noise.normal(config.seed, "body", persons["patient"].to_numpy(), 14).T
    female = (persons["sex"] == "female").to_numpy(float) * config.direct_path.sex
    male = (persons["sex"] == "male").to_numpy(float) * config.direct_path.sex
    years = (persons["age_years"].to_numpy(float) - 50) / 30 * config.direct_path.age
    width = 0.70 + 0.025 * z[0] + 0.025 * male - 0.025 * female
    body = {
        "lung_width": width,
        "lung_height": 0.98 + 0.03 * z[1],
        "diaphragm": 0.50 + 0.05 * z[2],
        "heart_ratio": 0.44 + 0.03 * z[3] + 0.01 * years,
        "aorta": np.clip(0.085 + 0.012 * z[4] + 0.018 * years, 0.04, 0.2),
        "rib_pitch": 0.185 + 0.008 * z[5],
        "rib_phase": z[6],
        "bone": np.clip(0.095 + 0.015 * z[7] - 0.03 * years, 0.02, 0.2),
        "spine": np.clip(0.11 + 0.02 * z[8] + 0.025 * years, 0.02, 0.3),
        "torso": width + 0.14 + 0.04 * np.abs(z[9]),
        "fat": 0.05 * z[9],
        "breast": female * np.clip(0.18 + 0.05 * z[10], 0.05, 0.3),
        "breast_y": 0.32 + 0.08 * z[11],
        "breast_radius": np.clip(0.36 + 0.04 * z[12], 0.25, 0.5),
        "vessels": np.clip(0.080 + 0.012 * z[13], 0.02, 0.15),
    }
    return pd.DataFrame(body, index=persons.index)


def thorax(grid: Grid, p: Parameters) -> Thorax:
    """Lay out lungs, chest cavity and heart."""
    x, y, ax = grid.x, grid.y, grid.ax
    up = (y - 0.25) / p["lung_height"]
    outer = p["lung_width"] * np.sqrt(np.maximum(1 - up * up, 0))
    rim = outer - ax
    left = edge(x, 0.05)
    dome = p["diaphragm"] + 0.05 * left - 0.13 + 0.9 * np.square(ax - 0.32)
    inside = edge(rim, 0.025) * edge(ax - 0.115, 0.03)
    lung = inside * edge(dome - y, 0.025)
    cavity = inside * edge(p["diaphragm"] + 0.09 - y, 0.03)
    heart = _heart(grid, p)
    air = lung * (1 - 0.93 * heart)
    return Thorax(lung, cavity, heart, air, _breasts(grid, p), rim)


def _heart(whole: Grid, p: Parameters) -> Floats:
    """Draw the heart: a tilted ellipse, its width `heart_ratio` of the thorax, and the trunk."""
    place = window(whole.size, (-0.65, 0.85), (-0.8, 1.0))
    grid = whole.part(place)
    half = p["heart_ratio"] * p["lung_width"]
    dx, dy = grid.x - 0.32 * half, grid.y - (p["diaphragm"] - 0.20)
    across, along = dx * 0.90 + dy * 0.43, dy * 0.90 - dx * 0.43
    heart = disc(across / half, along / (0.16 + 0.50 * half), 0.10)
    slant = 0.10 + 0.20 * np.clip(grid.y + 0.42, 0, 0.6) + 0.25 * (p["aorta"] - 0.085)
    trunk = edge(slant - np.abs(grid.x - 0.02), 0.05) * edge(grid.y + 0.40, 0.25)
    drawn = np.zeros_like(whole.x)
    drawn[place] = np.maximum(heart, trunk)
    return drawn


def shadow(grid: Grid, p: Parameters, chest: Thorax) -> Floats:
    """Add up what the body absorbs, findings and lung texture left out; about 0 to 1.2."""
    y, ax = grid.y, grid.ax
    arm = edge(-0.30 - y, 0.30)
    torso = p["torso"] + 0.10 * np.square(y) + 0.45 * arm
    slope = -0.97 + 0.34 * np.clip(ax - 0.18, 0, 1) - 0.30 * edge(0.24 - ax, 0.08)
    body = edge(torso - ax, 0.06) * edge(y - slope, 0.06)
    depth = 0.56 + p["fat"] + 0.12 * edge(y - p["diaphragm"], 0.4) - 0.10 * np.square(ax)
    total = body * (depth - 0.12 * edge(-0.55 - y, 0.3))
    total -= AIR * chest.air
    total += 0.07 * chest.heart * (1 - 0.5 * edge(y - p["diaphragm"], 0.1))
    total += _ribs(grid, p, chest) * body
    for place, draw in PLACES:
        here = window(grid.size, *place)
        total[here] += draw(grid.part(here), p)
    total += chest.breast
    return total


def _ribs(grid: Grid, p: Parameters, chest: Thorax) -> Floats:
    """Draw the ribs' backs and fronts, and the chest wall."""
    y, ax = grid.y, grid.ax
    below = edge(y - p["diaphragm"] + 0.06, 0.1)
    cage = edge(chest.rim + 0.05, 0.03) * (1 - 0.75 * below) * (1 - 0.4 * chest.heart)
    turn = np.float32(2 * np.pi) / p["rib_pitch"]
    back = np.cos((y + 0.10 - 0.85 * np.square(ax - 0.22)) * turn + p["rib_phase"])
    front = np.cos((y - 0.75 * ax) * (0.80 * turn) + 2 * p["rib_phase"])
    ribs = edge(back - 0.30, 0.5) * edge(ax - 0.10, 0.06)
    ribs += 0.45 * edge(front - 0.45, 0.5) * edge(ax - 0.32, 0.12)
    wall = 0.8 * glow(chest.rim + 0.02, 0.03) * (1 - 0.6 * below)
    drawn: Floats = p["bone"] * (ribs * cage + wall)
    return drawn


def _shoulders(grid: Grid, p: Parameters) -> Floats:
    """Draw collar bones, heads of the arms and, in bedside pictures, shoulder blades."""
    y, ax = grid.y, grid.ax
    collar = y + 0.62 + 0.26 * (ax - 0.1) - 0.45 * np.square(ax - 0.45)
    reach = edge(ax - 0.09, 0.03) * edge(0.78 - ax, 0.06)
    total = 1.1 * edge(0.035 - np.abs(collar), 0.025) * reach
    blade = edge(ax - 0.50 - 0.25 * (y + 0.6), 0.06) * edge(0.24 - np.abs(y + 0.35), 0.10)
    head = glow(ax - 0.86, 0.10) * glow(y + 0.58, 0.12)
    drawn: Floats = p["bone"] * (total + 0.6 * p["portable"] * blade + 0.9 * head)
    return drawn


def _mediastinum(grid: Grid, p: Parameters) -> Floats:
    """Draw the central shadow with spine, windpipe, aortic arch and hila."""
    x, y, ax = grid.x, grid.y, grid.ax
    discs = 0.82 + 0.18 * np.cos(y * 40 + p["rib_phase"])
    total = p["spine"] * edge(0.085 - ax, 0.05) * discs
    total += 0.08 * edge(0.15 - ax, 0.08)
    total -= 0.09 * edge(0.035 - np.abs(x + 0.02 + 0.04 * y), 0.03) * edge(-0.30 - y, 0.12)
    total += 0.16 * disc((x - 0.10) / (0.8 * p["aorta"] + 0.02), (y + 0.28) / (1.2 * p["aorta"]))
    total += 0.15 * glow(ax - 0.20, 0.055) * glow(y + 0.02 + 0.05 * x, 0.10)
    return total


def _abdomen(grid: Grid, p: Parameters) -> Floats:
    """Draw the belly below the diaphragm, with the stomach's air bubble."""
    total = 0.10 * edge(grid.y - p["diaphragm"] - 0.02, 0.08)
    bubble = disc((grid.x - 0.36) / 0.15, (grid.y - p["diaphragm"] - 0.10) / 0.07, 0.3)
    return total - 0.12 * bubble


PLACES: tuple[tuple[Extent, Callable[[Grid, Parameters], Floats]], ...] = (
    (((-0.55, 0.55), (-1.0, 1.0)), _mediastinum),
    (((-1.0, 1.0), (-1.0, 0.15)), _shoulders),
    (((-1.0, 1.0), (0.1, 1.0)), _abdomen),
)


def _breasts(whole: Grid, p: Parameters) -> Floats:
    """Draw two soft discs with a sharper lower fold."""
    drawn = np.zeros_like(whole.x)
    if np.any(p["breast"]):
        place = window(whole.size, (-1.0, 1.0), (-0.45, 1.0))
        grid = whole.part(place)
        dx, dy = (
            (grid.ax - 0.46) / p["breast_radius"],
            (grid.y - p["breast_y"]) / p["breast_radius"],
        )
        depth = np.maximum(1 - dx * dx - dy * dy, 0)
        drawn[place] = p["breast"] * np.sqrt(depth) * (0.8 + 0.4 * np.clip(dy, -1, 1))
    return drawn
