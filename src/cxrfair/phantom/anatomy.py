"""The body: what is measured of each person (S -> X), and its shadow, layer by layer."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from cxrfair.phantom import bones, noise
from cxrfair.phantom.canvas import Grid, Parameters, disc, edge, window
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats, Keys

Extent = tuple[tuple[float, float], tuple[float, float]]

AIR = 0.25  # how much darker lung is than the tissue around it


@dataclass(frozen=True)
class Thorax:
    """The regions findings are placed in, each from 0 to 1, and what lies over them."""

    lung: Floats
    cavity: Floats  # lung and the costophrenic recess below it
    heart: Floats
    trunk: Floats  # the mediastinum above the heart
    air: Floats  # lung that the heart does not hide
    breast: Floats  # shadow of the breasts, not from 0 to 1
    belly: Floats  # what lies below the diaphragm
    rim: Floats  # depth below the chest wall

    def covered(self) -> Floats:
        """Return how far heart and belly hide the ribs, 0 to 1."""
        hidden: Floats = np.maximum(0.92 * self.belly, 0.4 * self.heart)
        return hidden

    def __getitem__(self, rows: Keys) -> "Thorax":
        """Return the regions of some of the pictures."""
        return Thorax(*(getattr(self, field.name)[rows] for field in fields(self)))


def measure(config: PhantomConfig, persons: pd.DataFrame) -> pd.DataFrame:
    """Return the body of each row's patient, in units of half a picture.

    Sex moves the thorax's width and adds a breast shadow, age dims the ribs, unfolds the aorta and
    brightens the spine, each in proportion to its strength in `direct_path`.
    """
    z = noise.normal(config.seed, "body", persons["patient"].to_numpy(), 16).T
    female = (persons["sex"] == "female").to_numpy(float) * config.direct_path.sex
    male = (persons["sex"] == "male").to_numpy(float) * config.direct_path.sex
    years = (persons["age_years"].to_numpy(float) - 50) / 30 * config.direct_path.age
    width = 0.70 + 0.025 * z[0] + 0.025 * male - 0.025 * female
    body = {
        "lung_width": width,
        "lung_height": 1.02 + 0.03 * z[1],
        "diaphragm": 0.50 + 0.05 * z[2],
        "tilt": 0.05 + 0.015 * z[14],  # how much lower the picture's right half lies
        "mediastinum": np.clip(0.10 + 0.012 * z[15], 0.06, 0.16),
        "heart_ratio": 0.44 + 0.03 * z[3] + 0.01 * years,
        "aorta": np.clip(0.085 + 0.012 * z[4] + 0.018 * years, 0.04, 0.2),
        "rib_pitch": 0.142 + 0.007 * z[5],
        "rib_phase": z[6],
        "bone": np.clip(0.085 + 0.015 * z[7] - 0.03 * years, 0.02, 0.2),
        "spine": np.clip(0.07 + 0.015 * z[8] + 0.02 * years, 0.01, 0.3),
        "torso": width + 0.14 + 0.04 * np.abs(z[9]),
        "fat": 0.05 * z[9],
        "breast": female * np.clip(0.18 + 0.05 * z[10], 0.05, 0.3),
        "breast_y": 0.32 + 0.08 * z[11],
        "breast_radius": np.clip(0.36 + 0.04 * z[12], 0.25, 0.5),
        "vessels": np.clip(0.105 + 0.015 * z[13], 0.02, 0.15),
    }
    return pd.DataFrame(body, index=persons.index)


def thorax(grid: Grid, p: Parameters) -> Thorax:
    """Lay out lungs, chest cavity, heart and belly."""
    y, ax = grid.y, grid.ax
    up = (y - 0.30) / p["lung_height"]
    rim = p["lung_width"] * np.sqrt(np.maximum(1 - up * up, 0)) - ax
    apex = np.clip(-0.42 - y, 0, 1)
    inside = edge(rim, 0.02) * edge(ax - 0.10 - 1.6 * apex * apex, 0.03)
    left = edge(grid.x, 0.05)
    bow = np.maximum(ax - 0.30, 0.14 - 0.45 * ax)
    dome = p["diaphragm"] + p["tilt"] * (left - 0.5) - 0.105 + 1.5 * bow * bow
    belly = edge(y - dome, 0.016)
    lung = inside * (1 - belly)
    cavity = inside * edge(p["diaphragm"] + 0.09 - y, 0.03)
    heart, trunk = _heart(grid, p), _trunk(grid, p)
    air = lung * (1 - 0.95 * np.maximum(heart, trunk))
    flank = edge(y - p["diaphragm"] - 0.05, 0.25)
    belly += edge(-rim, 0.02) * (flank - belly)
    return Thorax(lung, cavity, heart, trunk, air, _breasts(grid, p), belly, rim)


def _heart(whole: Grid, p: Parameters) -> Floats:
    """Melt left ventricle, right atrium and outflow into one, `heart_ratio` of the thorax wide."""
    place = window(whole.size, (-0.65, 0.85), (-0.45, 1.0))
    grid = whole.part(place)
    half = p["heart_ratio"] * p["lung_width"]
    low = p["diaphragm"]
    dx, dy = grid.x - 0.52 * half, grid.y - low + 0.15
    across, along = (dx * 0.88 + dy * 0.47) / half, (dy * 0.88 - dx * 0.47) / (0.10 + 0.45 * half)
    melted = np.exp(2.5 - 2.5 * (across * across + along * along))
    dx, dy = (grid.x - 0.00) / (0.56 * half), (grid.y - low + 0.26) / 0.30
    melted += np.exp(2.5 - 2.5 * (dx * dx + dy * dy))
    dx, dy = (grid.x - 0.06) / (0.05 + 0.38 * half), (grid.y - low + 0.46) / 0.26
    melted += np.exp(2.5 - 2.5 * (dx * dx + dy * dy))
    drawn = np.zeros_like(whole.x)
    drawn[place] = edge(melted - 1, 0.45)
    return drawn


def _trunk(whole: Grid, p: Parameters) -> Floats:
    """Draw the great vessels above the heart, `mediastinum` wide either side, and the aorta's knob.

    The aorta unfolds with its width, so that its knob comes out of the band.
    """
    place = window(whole.size, (-0.6, 0.6), (-0.9, 0.6))
    grid = whole.part(place)
    half = p["mediastinum"] + 0.22 * np.clip(grid.y + 0.38, 0, 0.6) + 0.25 * (p["aorta"] - 0.085)
    band = edge(half - np.abs(grid.x - 0.01), 0.025) * edge(grid.y + 0.50, 0.25)
    band *= edge(p["diaphragm"] - 0.30 - grid.y, 0.10)
    out = p["mediastinum"] - 0.045 + 0.5 * (p["aorta"] - 0.085)
    knob = disc((grid.x - out) / p["aorta"], (grid.y + 0.27) / (1.25 * p["aorta"]), 0.2)
    drawn = np.zeros_like(whole.x)
    drawn[place] = np.maximum(band, knob)
    return drawn


def shadow(grid: Grid, p: Parameters, chest: Thorax, texture: Floats) -> Floats:
    """Add up what the body absorbs, findings and lung markings left out; about 0 to 1.1."""
    y, ax = grid.y, grid.ax
    arm = edge(-0.30 - y, 0.30)
    torso = p["torso"] + 0.10 * np.square(y) + 0.45 * arm
    slope = -0.97 + 0.34 * np.clip(ax - 0.18, 0, 1) - 0.30 * edge(0.24 - ax, 0.08)
    body = edge(torso - ax, 0.06) * edge(y - slope, 0.06)
    total = 0.48 + p["fat"] - 0.14 * np.square(ax) - 0.10 * edge(-0.55 - y, 0.3)
    total += 0.12 * edge(y - p["diaphragm"], 0.3) + 0.012 * texture
    total += 0.25 * chest.belly
    total += 0.17 * np.maximum(chest.heart, chest.trunk) * (1 - 0.8 * chest.belly)
    total -= AIR * chest.air
    total += 0.07 * edge(0.20 - ax, 0.14)
    total += bones.ribs(grid, p, chest.rim, chest.covered())
    total *= body
    for place, draw in PLACES:
        here = window(grid.size, *place)
        total[here] += draw(grid.part(here), p)
    total += chest.breast
    return total


def markings(grid: Grid, p: Parameters, texture: Floats, fine: Floats) -> Floats:
    """Draw a lung's vessels: they fan out from the hila, crooked by the noise, and thin out."""
    dx, dy = grid.ax - 0.05, grid.y - 0.02
    far = dx * dx
    far += 0.45 * dy * dy
    turn = dy / (np.maximum(dx, 0) + 0.06)
    turn /= 1 + 0.5 * np.abs(turn)
    fan = edge(np.cos(11 * turn + 1.2 * texture + 0.6 * fine) - 0.35, 0.5)
    fan += 0.7 * edge(np.cos(23 * turn + 1.3 * texture + 1.3 * fine) - 0.3, 0.5)
    near = 1 / (1 + 9 * far)
    fan *= near * edge(far - 0.02, 0.02)
    fan += 0.35 * np.maximum(1 - 1.6 * np.abs(fine), 0) * near
    fan += 0.16 * texture
    fan *= p["vessels"]
    return fan


def _mediastinum(grid: Grid, p: Parameters) -> Floats:
    """Draw what lies in the middle: spine, windpipe with its fork, and hila."""
    x, y, ax = grid.x, grid.y, grid.ax
    total = bones.spine(grid, p)
    pipe = edge(0.034 - np.abs(x + 0.012), 0.014) * edge(-0.24 - y, 0.05)
    forked = edge(0.022 - np.abs(ax - 0.04 - 0.75 * (y + 0.24)), 0.016)
    total -= 0.11 * (pipe + 0.7 * forked * edge(0.10 - np.abs(y + 0.17), 0.04))
    dx, dy = (ax - 0.19) / 0.08, (y + 0.02 + 0.12 * x) / 0.14
    total += 0.14 * np.exp(-(dx * dx + dy * dy))
    return total


def _abdomen(grid: Grid, p: Parameters) -> Floats:
    """Draw the stomach's air bubble below the diaphragm."""
    dx, dy = (grid.x - 0.34) / 0.15, (grid.y - p["diaphragm"] - 0.09) / 0.065
    return -0.16 * disc(dx, dy + 0.4 * dx * dx, 0.3)


PLACES: tuple[tuple[Extent, Callable[[Grid, Parameters], Floats]], ...] = (
    (((-0.4, 0.4), (-1.0, 1.0)), _mediastinum),
    (((-1.0, 1.0), (-1.0, 0.15)), bones.shoulders),
    (((0.0, 0.8), (0.3, 1.0)), _abdomen),
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
