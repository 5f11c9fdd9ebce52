"""JSRT: raw 12-bit density, big-endian, and two tables of tabs without a header."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes
from cxrfair.phantom.writers import _images

PROFILE = Profile(
    dataset="jsrt",
    portable_share=0.001,  # all are PA
    log_gamma=0.22,
    brightness=-0.02,
    contrast=-0.10,
    border=0.02,
    grain=0.4,
    laterals=False,
)
NODULES, NORMALS = 154, 93  # images in the source, and at most here
SIDE, SPACING_MM = 2048, 0.175  # positions are in pixels of the source, whatever size is written
DENSEST = 4095
PLACES = ("r.upper lobe", "r.lower lobe", "l.upper lobe", "l.lower lobe")


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image: one a patient, until there are enough."""
    taken = {"JPCLN": 0, "JPCNN": 0}
    with output.Tables(root) as tables:
        for name in ("CLNDAT_EN.txt", "CNNDAT_EN.txt"):
            tables.add_text(name, "")
        for scenes in scene.blocks(config, PROFILE):
            images = _chosen(scenes[scenes["study"] == 0].reset_index(drop=True), taken)
            if len(images):
                images = _images.save(config, images, root, LAYOUT)
                tables.add_text("CLNDAT_EN.txt", _nodules(config, images))
                tables.add_text("CNNDAT_EN.txt", _normals(config, images))
                yield images


def _chosen(images: pd.DataFrame, taken: dict[str, int]) -> pd.DataFrame:
    """Give the images of each kind their next numbers, up to the source's counts."""
    lesions = [finding for finding in ("nodule", "mass") if finding in images]
    kind = pd.Series(np.where(images[lesions].any(axis=1), "JPCLN", "JPCNN"), images.index)
    before = kind.map(taken).astype(int)
    number = kind.groupby(kind).cumcount().astype(int) + 1 + before
    kept = number <= kind.map({"JPCLN": NODULES, "JPCNN": NORMALS}).astype(int)
    for name, count in kind[kept].value_counts().items():
        taken[str(name)] += int(count)
    image = [f"{which}{n:03d}" for which, n in zip(kind, number, strict=True)]
    images = images.assign(image_id=image, has_nodule=kind == "JPCLN")
    images["path"] = images["image_id"] + ".IMG"
    return images[kept].reset_index(drop=True)


def _encode(path: Path, grey: Bytes, how: str) -> None:
    """Write a picture as density: bright where it is dark."""
    values = np.rint((255 - grey.astype(float)) * (DENSEST / 255)).astype(">u2")
    output.save_bytes(path, values.tobytes(), how)


LAYOUT = _images.Layout(PROFILE, _images.alike(_encode))


def _people(config: PhantomConfig, images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return ages and sexes as the tables say them; some ages are unknown."""
    u = noise.uniform(config.seed, "jsrt age", images["image_key"].to_numpy(), 1)[:, 0]
    age = images["age_years"].astype(int).astype(str)
    return age.where(u >= config.missing_share, "?"), images["sex"]


def _normals(config: PhantomConfig, images: pd.DataFrame) -> str:
    """Return lines: file, age, sex, non-nodule."""
    rows = zip(images["path"], *_people(config, images), images["has_nodule"], strict=True)
    return "".join(
        f"{path}\t{age}\t{sex}\tnon-nodule\n" for path, age, sex, nodule in rows if not nodule
    )


def _nodules(config: PhantomConfig, images: pd.DataFrame) -> str:
    """Return lines: file, subtlety, size in mm, age, sex, x, y, malignancy, lobe, diagnosis."""
    u = noise.uniform(config.seed, "jsrt nodule", images["image_key"].to_numpy(), 1)[:, 0]
    each: Any = images.itertuples()
    rows = zip(each, *_people(config, images), u, strict=True)
    lines = []
    for image, age, sex, chance in (row for row in rows if row[0].has_nodule):
        found = json.loads(image.boxes)
        box = found.get("nodule") or found.get("mass")
        size, x, y = "?", "?", "?"
        lobe = PLACES[0]
        if box:
            middle = (box[0] + box[2] / 2, box[1] + box[3] / 2)
            x, y = (str(round(share * SIDE)) for share in middle)
            size = str(round((box[2] + box[3]) / 2 * SIDE * SPACING_MM))
            lobe = PLACES[2 * (middle[0] > 0.5) + (middle[1] > 0.5)]
        nature = ("malignant", "lung cancer") if chance < 0.65 else ("benign", "tuberculoma")
        cells = (image.path, 1 + int(5 * chance), size, age, sex, x, y, nature[0], lobe, nature[1])
        lines.append("\t".join(map(str, cells)) + "\n")
    return "".join(lines)
