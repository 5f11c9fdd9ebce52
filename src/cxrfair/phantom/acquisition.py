"""The picture's making: view, device and site, positioning, exposure, tone curve and grain.

`S -> device` (who is X-rayed in bed) and the global part of `S -> X` (race) live here. Race changes
no anatomy: it bends the tone curve and the noise's texture, which models read and people do not.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from cxrfair.phantom import noise
from cxrfair.phantom.canvas import Parameters, edge, raster
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats

MAX_IMAGES = 4  # of one study
TONE = {"white": 0.0, "black": 0.20, "hispanic": 0.10, "asian": -0.14, "other": 0.05}
GRAIN = {"white": 0.0, "black": 0.35, "hispanic": 0.20, "asian": -0.25, "other": 0.10}
LETTER = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)


@dataclass(frozen=True)
class Profile:
    """How one data set's hospital makes its pictures; `site_shift` scales what differs."""

    dataset: str
    portable_share: float
    log_gamma: float
    brightness: float
    contrast: float
    border: float  # width of the black rim, as a share of the picture
    grain: float
    laterals: bool


def images(config: PhantomConfig, studies: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return one row an image: the frontal one of each study, and for some a lateral one.

    Adds `image`, `portable` and `view` to the study's columns, and `image_key`.
    """
    u = noise.uniform(config.seed, f"device {profile.dataset}", studies["key"].to_numpy(), 2)
    years = (studies["age_years"].to_numpy(float) - 55) / 30
    poor = (studies["insurance"] == "medicaid").to_numpy(float)
    odds = logit(profile.portable_share) + config.device_path * (0.9 * poor + 0.7 * years)
    portable = u[:, 0] < expit(odds)
    frontal = studies.assign(
        image=0, portable=portable, lateral=False, view=np.where(portable, "AP", "PA")
    )
    also = (u[:, 1] < config.lateral_share) & profile.laterals
    side = frontal[also].assign(image=1, portable=False, lateral=True, view="LATERAL")
    rows = pd.concat([frontal, side]).sort_values(["key", "image"], ignore_index=True)
    return rows.assign(image_key=rows["key"] * MAX_IMAGES + rows["image"])


def settings(config: PhantomConfig, rows: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return how each image was taken: positioning, tone, noise, border and marker."""
    z = noise.normal(config.seed, f"exposure {profile.dataset}", rows["image_key"].to_numpy(), 10).T
    portable = rows["portable"].to_numpy(float)
    site = config.site_shift
    race = config.direct_path.race
    tone = rows["race"].map(TONE).to_numpy(float) * race
    grain = 0.4 + rows["race"].map(GRAIN).to_numpy(float) * race + profile.grain * site
    clumsy = 1 + 0.8 * portable
    chosen = {
        "rotation": 0.02 * clumsy * z[0],
        "shift_x": 0.03 * clumsy * z[1],
        "shift_y": 0.03 * clumsy * z[2],
        "zoom": np.exp(0.03 * z[3] + 0.03 * portable),
        "breath": 0.03 * z[4] - 0.06 * portable,
        "log_gamma": 0.08 * z[5] + tone + profile.log_gamma * site,
        "brightness": 0.025 * z[6] + (profile.brightness - 0.02 * portable) * site,
        "contrast": np.exp(0.06 * z[7] + (profile.contrast - 0.12 * portable) * site),
        "sigma": config.noise * 0.012 * (1 + 0.5 * portable),
        "grain": np.clip(grain, 0, 1),
        "border": np.clip(profile.border * site + 0.006 * z[8], 0, 0.1),
        "marker_x": 0.80 + 0.02 * z[9],
    }
    return pd.DataFrame(chosen, index=rows.index)


def grainy(white: Floats, grain: Floats) -> Floats:
    """Blur white noise by the share `grain` (n, 1, 1), keeping its variance at one."""
    soft = white.copy()
    soft += np.roll(white, 1, axis=1) + np.roll(white, 1, axis=2)
    soft += np.roll(white, (1, 1), axis=(1, 2))
    share = grain * np.float32(0.25)
    scale = np.sqrt(np.square(1 - grain + share) + 3 * np.square(share))
    mixed: Floats = ((1 - grain) * white + share * soft) / scale
    return mixed


def expose(shadow: Floats, p: Parameters, white: Floats) -> Floats:
    """Turn a shadow into grey from 0 to 1: noise, window, tone curve, black rim, marker letter."""
    grey = shadow + p["sigma"] * grainy(white, p["grain"])
    grey -= np.float32(0.05)
    grey *= p["contrast"] * np.float32(1.05)
    grey += p["brightness"]
    np.clip(grey, 0, 1, out=grey)
    np.power(grey, np.exp(p["log_gamma"]), out=grey)
    return _letter(grey * _rim(p, grey.shape[-1]), p)


def _rim(p: Parameters, size: int) -> Floats:
    """Return 0 in the black rim left by the collimator and 1 inside."""
    u, v = raster(size)
    inner = 1 - 2 * p["border"]
    return edge(inner - np.abs(u), 1 / size) * edge(inner - np.abs(v), 1 / size)


def _letter(grey: Floats, p: Parameters) -> Floats:
    """Stamp the side marker, an L, on the picture's upper right."""
    size = grey.shape[-1]
    scale = max(1, size // 64)
    mark = np.kron(LETTER, np.ones((scale, scale), bool))
    top = round(0.06 * size)
    for picture, x in zip(grey, p["marker_x"].ravel(), strict=True):
        left = min(round(float(x + 1) / 2 * size), size - mark.shape[1])
        picture[top : top + mark.shape[0], left : left + mark.shape[1]][mark] = 0.95
    return grey
