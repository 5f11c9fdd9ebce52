"""A scene: one row an image with every number its picture depends on; and how to draw it.

Drawing reads the scene alone, so a saved scene (the truth) can be drawn again, with its masks, at
any size, and an intervention is a scene with some of its columns recomputed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.phantom import acquisition, anatomy, canvas, findings, lateral, noise, population
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.canvas import Grid, Parameters
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats
from cxrfair.phantom.population import FINDINGS

Bytes = NDArray[np.uint8]
SCATTER = 2.0  # contrast lost behind breast tissue, for each unit of its shadow
COARSE = 14  # points along a side of a patient's smooth lung texture
BATCH_PIXELS = 1 << 18  # a batch of float32 pictures of this many pixels stays in the cache


@dataclass(frozen=True)
class Pictures:
    """Some drawn rows of a scene: `grey` (n, size, size), and masks where a finding is there.

    `masks[finding]` holds positions into these rows and float32 masks (k, size, size) from 0 to 1.
    """

    grey: Bytes
    masks: Mapping[str, tuple[NDArray[np.int64], Floats]]


def blocks(config: PhantomConfig, profile: Profile) -> Iterator[pd.DataFrame]:
    """Yield the scene of one data set piece by piece, all images of some patients at a time.

    A patient's rows are the same whatever the size of the population or of a piece.
    """
    for patients in population.blocks(config):
        yield build(config, profile, patients)


def build(config: PhantomConfig, profile: Profile, patients: noise.Keys) -> pd.DataFrame:
    """Return the scene of some patients: their images, ordered by patient, study and image."""
    persons = population.people(config, patients)
    studies = population.studies(config, persons, profile.dataset)
    studies = pd.concat([studies, findings.place(config, studies, profile.dataset)], axis=1)
    rows = acquisition.images(config, studies, profile)
    body = anatomy.measure(config, rows)
    taken = acquisition.settings(config, rows, profile)
    body["diaphragm"] += taken.pop("breath")
    swollen = rows["cardiomegaly_load"] * (0.06 + 0.12 * rows["cardiomegaly_severity"])
    body["heart_ratio"] = (body["heart_ratio"] + swollen) * (1 + 0.10 * rows["portable"])
    named = rows.assign(dataset=profile.dataset, seed=config.seed)
    return pd.concat([named, body, taken], axis=1)


def batches(scene: pd.DataFrame, size: int) -> Iterator[tuple[pd.DataFrame, Pictures]]:
    """Draw a scene of one data set piece by piece: rows, and their pictures of `size` pixels."""
    length = max(1, BATCH_PIXELS // (size * size))
    for start in range(0, len(scene), length):
        rows = scene.iloc[start : start + length]
        yield rows, draw(rows, size)


def draw(scene: pd.DataFrame, size: int) -> Pictures:
    """Draw every row of a scene at `size` pixels a side."""
    p = canvas.parameters(scene)
    grid = canvas.grid(p, size)
    texture = _texture(scene, size)
    chest = anatomy.thorax(grid, p)
    shadow = anatomy.shadow(grid, p, chest)
    masks = _masks(scene, grid, p, chest, texture)
    lung = chest.air * _vessels(grid, p, texture)
    for name, (rows, drawn) in masks.items():
        seen = p[f"{name}_load"][rows] * (1 - SCATTER * chest.breast[rows]) * drawn
        shadow[rows] += findings.FINDING[name].density * seen
        lung[rows] *= 1 - np.minimum(p[f"{name}_load"][rows], 1) * drawn
    shadow += lung
    _turn_sideways(scene, grid, p, shadow)
    seed, stream = int(scene["seed"].iloc[0]), f"pixels {scene['dataset'].iloc[0]}"
    white = noise.field(seed, stream, scene["image_key"].to_numpy(), (size, size))
    grey = acquisition.expose(shadow, p, white)
    return Pictures((grey * 255 + 0.5).astype(np.uint8), masks)


def boxes(pictures: Pictures) -> list[dict[str, list[float]]]:
    """Return, for each picture, the box [x, y, width, height] of each finding.

    Units are shares of the picture; a finding whose mask is nowhere above one half has no box.
    """
    found: list[dict[str, list[float]]] = [{} for _ in pictures.grey]
    size = pictures.grey.shape[-1]
    for name, (rows, masks) in pictures.masks.items():
        for row, inside in zip(rows, masks > 0.5, strict=True):
            across, down = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
            if len(across):
                corner = [across[0], down[0]]
                extent = [across[-1] - across[0] + 1, down[-1] - down[0] + 1]
                found[row][name] = [float(v) / size for v in (*corner, *extent)]
    return found


def _texture(scene: pd.DataFrame, size: int) -> Floats:
    """Return each patient's own smooth noise, the same in all of the patient's pictures."""
    seed = int(scene["seed"].iloc[0])
    patients, rows = np.unique(scene["patient"].to_numpy(), return_inverse=True)
    coarse = noise.field(seed, "texture", patients, (COARSE, COARSE))
    return canvas.smooth(coarse, size)[rows]


def _vessels(grid: Grid, p: Parameters, texture: Floats) -> Floats:
    """Draw vessels: they fan out from the hila, crooked by the noise, and fade away from them."""
    near = canvas.glow(grid.ax - 0.15, 0.24) * canvas.glow(grid.y - 0.02, 0.36)
    fan = np.cos(8 * (grid.y - 0.02) / (grid.ax + 0.06) + 1.2 * texture)
    drawn: Floats = p["vessels"] * (1.5 * near * canvas.edge(fan - 0.55, 0.5) + 0.2 * texture)
    return drawn


def _masks(
    scene: pd.DataFrame, grid: Grid, p: Parameters, chest: anatomy.Thorax, texture: Floats
) -> dict[str, tuple[NDArray[np.int64], Floats]]:
    """Draw the masks of the findings that are there, in frontal pictures."""
    frontal = ~scene["lateral"].to_numpy(bool)
    drawn = {}
    for name in FINDINGS:
        rows = np.flatnonzero(scene[name].to_numpy(bool) & frontal)
        if len(rows):
            some = canvas.pick(p, rows)
            mask = findings.mask(name, grid[rows], some, chest[rows], texture[rows])
            drawn[name] = (rows, mask)
    return drawn


def _turn_sideways(scene: pd.DataFrame, grid: Grid, p: Parameters, shadow: Floats) -> None:
    """Overwrite the shadow of lateral pictures."""
    rows = np.flatnonzero(scene["lateral"].to_numpy(bool))
    if len(rows):
        shadow[rows] = lateral.shadow(grid[rows], canvas.pick(p, rows))
