"""Y -> X: where each finding lies, its mask, and what it does to the shadow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cxrfair.phantom import noise
from cxrfair.phantom.anatomy import Thorax
from cxrfair.phantom.canvas import Grid, Parameters, disc, edge, glow
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats
from cxrfair.phantom.population import FINDINGS

MaskOf = Callable[[Grid, Parameters, Thorax, Floats], Floats]


@dataclass(frozen=True)
class Finding:
    """How a finding is drawn: its mask from 0 to 1, and the shadow it adds where the mask is 1."""

    mask: MaskOf
    density: float


def place(config: PhantomConfig, studies: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Draw where each finding lies in each study, whether or not it is there.

    Columns `<finding>_side` (-1 picture left, 0 both, 1 picture right), `_x` (distance from the
    midline), `_y` and `_size`, in the picture's units; `<finding>_load` is 0 without the finding
    and grows with its severity and with the setting `finding_contrast`.
    """
    keys = studies["key"].to_numpy()
    u = noise.uniform(config.seed, f"place {dataset}", keys, 4 * len(FINDINGS))
    columns = {}
    for i, name in enumerate(FINDINGS):
        side, x, y, size = u[:, 4 * i : 4 * i + 4].T
        both = 0.3 if name in {"pleural_effusion"} else 0.0
        one = np.where(side < (1 + both) / 2, -1, 1)
        columns[f"{name}_side"] = np.where(side < both, 0, one)
        low, high = HEIGHTS.get(name, (-0.35, 0.35))
        columns[f"{name}_x"] = 0.24 + 0.26 * x
        columns[f"{name}_y"] = low + (high - low) * y
        columns[f"{name}_size"] = np.clip(1 + 0.2 * ndtri(size), 0.5, 1.6)
        grade = 0.45 + 0.55 * studies[f"{name}_severity"]
        columns[f"{name}_load"] = (config.finding_contrast * grade * studies[name]).to_numpy()
    return pd.DataFrame(columns, index=studies.index)


def mask(name: str, grid: Grid, p: Parameters, chest: Thorax, texture: Floats) -> Floats:
    """Return where a finding lies, 0 to 1 by pixel, whether or not it is drawn there.

    `texture` is smooth noise (n, size, size) that roughens the edges of patches.
    """
    return FINDING[name].mask(grid, p, chest, texture)


def _on_side(grid: Grid, side: Floats) -> Floats:
    """Return 1 in the half of the picture the finding lies in, and everywhere for both."""
    return np.where(side == 0, np.float32(1), (np.sign(grid.x) == side).astype(np.float32))


def _atelectasis(grid: Grid, p: Parameters, chest: Thorax, texture: Floats) -> Floats:
    tilt = 0.18 * (grid.ax - p["atelectasis_x"])
    off = grid.y - p["diaphragm"] + 0.24 - tilt - 0.01 * texture
    band = glow(off, 0.035 * p["atelectasis_size"]) * glow(grid.ax - p["atelectasis_x"], 0.14)
    return band * chest.air * _on_side(grid, p["atelectasis_side"])


def _cardiomegaly(_grid: Grid, _p: Parameters, chest: Thorax, _texture: Floats) -> Floats:
    return chest.heart


def _patch(name: str) -> MaskOf:
    """Return the mask of a rough-edged patch of filled air spaces."""

    def draw(grid: Grid, p: Parameters, chest: Thorax, texture: Floats) -> Floats:
        radius = 0.22 * p[f"{name}_size"]
        dx, dy = (grid.ax - p[f"{name}_x"]) / radius, (grid.y - p[f"{name}_y"]) / radius
        filled = edge(1 - dx * dx - dy * dy + 0.35 * texture, 0.7)
        return filled * chest.air * _on_side(grid, p[f"{name}_side"])

    return draw


def _edema(grid: Grid, p: Parameters, chest: Thorax, texture: Floats) -> Floats:
    wing = glow(grid.ax - 0.24, 0.17 * p["edema_size"]) * glow(grid.y - 0.02, 0.26)
    speckle: Floats = np.clip(0.8 + 0.25 * texture, 0, 1)
    return wing * chest.air * speckle


def _nodule(grid: Grid, p: Parameters, chest: Thorax, _texture: Floats) -> Floats:
    radius = 0.085 * p["nodule_size"]
    dx, dy = (grid.ax - p["nodule_x"]) / radius, (grid.y - p["nodule_y"]) / radius
    return disc(dx, dy) * edge(chest.rim, 0.03) * _on_side(grid, p["nodule_side"])


def _pleural_effusion(grid: Grid, p: Parameters, chest: Thorax, _texture: Floats) -> Floats:
    level = p["diaphragm"] + 0.02 - 0.40 * p["pleural_effusion_severity"]
    rise = 0.20 * glow(chest.rim, 0.14)
    air: Floats = np.maximum(chest.lung, 0.25 * chest.cavity) * (1 - 0.8 * chest.heart)
    fluid = edge(grid.y - level + rise, 0.05) * air
    return fluid * _on_side(grid, p["pleural_effusion_side"])


def _pneumothorax(grid: Grid, p: Parameters, chest: Thorax, _texture: Floats) -> Floats:
    depth = (0.09 + 0.16 * p["pneumothorax_severity"]) * edge(0.1 - grid.y, 0.3)
    crescent = edge(depth - chest.rim, 0.012) * edge(0.05 - grid.y, 0.1)
    return crescent * chest.lung * _on_side(grid, p["pneumothorax_side"])


HEIGHTS = {"consolidation": (-0.4, 0.25), "pneumonia": (0.0, 0.35), "nodule": (-0.45, 0.3)}

FINDING = {
    "atelectasis": Finding(_atelectasis, 0.38),
    "cardiomegaly": Finding(_cardiomegaly, 0.0),  # the heart itself is larger: see scene.py
    "consolidation": Finding(_patch("consolidation"), 0.40),
    "edema": Finding(_edema, 0.22),
    "nodule": Finding(_nodule, 0.34),
    "pleural_effusion": Finding(_pleural_effusion, 0.27),
    "pneumonia": Finding(_patch("pneumonia"), 0.36),
    "pneumothorax": Finding(_pneumothorax, -0.16),
}
