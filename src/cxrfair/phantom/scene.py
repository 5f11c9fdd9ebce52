"""A scene: one row an image with every number its picture depends on; and how to draw it.

Drawing reads the scene alone, so a saved scene (the truth) can be drawn again, with its masks, at
any size, and an intervention is a scene with some of its columns recomputed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.phantom import (
    acquisition,
    anatomy,
    canvas,
    intervention,
    lateral,
    noise,
    placement,
    population,
)
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.canvas import Grid, Parameters
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.findings._finding import Spot
from cxrfair.phantom.noise import Floats
from cxrfair.phantom.placement import FINDING

Bytes = NDArray[np.uint8]
SCATTER = 2.0  # contrast lost behind breast tissue, for each unit of its shadow
TEXTURES = (14, 34)  # points along a side of a patient's smooth noise, coarse and fine
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


def build(
    config: PhantomConfig,
    profile: Profile,
    patients: noise.Keys,
    do: intervention.Do | None = None,
    path: intervention.Path = "total",
) -> pd.DataFrame:
    """Return the scene of some patients, `do` set along one `path` or along both (`total`).

    See `build_in`.

    Raises
    ------
    PhantomError
        If an attribute, a value or the path is none that there is.
    """
    return build_in(config, profile, patients, intervention.along(do, path))


def build_in(
    config: PhantomConfig, profile: Profile, patients: noise.Keys, world: intervention.World
) -> pd.DataFrame:
    """Return the scene of some patients: their images, ordered by patient, study and image.

    Under an intervention the rows are those of the factual scene, one by one, and so is all noise.
    What is set along S -> X changes body, tone and device but no disease; what is set along S -> Y
    disease alone. The attributes in the scene are those the pictures were made with.

    Raises
    ------
    PhantomError
        If an attribute or a value is none that there is.
    """
    persons, ill = intervention.people(config, patients, world)
    studies = population.studies(config, persons, profile.dataset, ill)
    return of_studies(config, profile, studies)


def of_studies(config: PhantomConfig, profile: Profile, studies: pd.DataFrame) -> pd.DataFrame:
    """Return the scene of some studies (rows of `population.studies`), whoever their people are."""
    studies = pd.concat([studies, placement.place(config, studies, profile.dataset)], axis=1)
    rows = acquisition.images(config, studies, profile)
    body = placement.reshape(anatomy.measure(config, rows), rows)
    taken = acquisition.settings(config, rows, profile)
    body["diaphragm"] += taken.pop("breath")
    body["heart_ratio"] *= 1 + 0.10 * rows["portable"]
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
    texture, fine = (_texture(scene, size, points) for points in TEXTURES)
    chest = anatomy.thorax(grid, p)
    shadow = anatomy.shadow(grid, p, chest, texture)
    lung = chest.air * anatomy.markings(grid, p, texture, fine)
    masks = {}
    for name, finding in FINDING.items():
        rows = np.flatnonzero(scene[name].to_numpy(bool) & ~scene["lateral"].to_numpy(bool))
        if len(rows):
            spot = _spot(name, canvas.Picked(p, rows), grid[rows], chest[rows], texture[rows])
            mask, load = finding.mask(spot), p[f"{name}_load"][rows]
            seen = load * (1 - SCATTER * spot.chest.breast) * finding.shade(spot, mask)
            shadow[rows] += finding.density * seen
            lung[rows] *= 1 - finding.hides * np.minimum(load, 1) * mask
            masks[name] = (rows, mask)
    shadow += lung
    _turn_sideways(scene, grid, p, texture, shadow)
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


def _texture(scene: pd.DataFrame, size: int, points: int) -> Floats:
    """Return each patient's own smooth noise, the same in all of the patient's pictures."""
    seed = int(scene["seed"].iloc[0])
    patients, rows = np.unique(scene["patient"].to_numpy(), return_inverse=True)
    coarse = noise.field(seed, f"texture {points}", patients, (points, points))
    return canvas.smooth(coarse, size)[rows]


def _spot(name: str, p: Parameters, grid: Grid, chest: anatomy.Thorax, texture: Floats) -> Spot:
    """Lay a finding into some bodies."""
    own = {number: p[f"{name}_{number}"] for number in ("side", "x", "y", "size", "severity")}
    return Spot(grid, p, chest, texture, **own)


def _turn_sideways(
    scene: pd.DataFrame, grid: Grid, p: Parameters, texture: Floats, shadow: Floats
) -> None:
    """Overwrite the shadow of lateral pictures."""
    rows = np.flatnonzero(scene["lateral"].to_numpy(bool))
    if len(rows):
        shadow[rows] = lateral.shadow(grid[rows], canvas.Picked(p, rows), texture[rows])
