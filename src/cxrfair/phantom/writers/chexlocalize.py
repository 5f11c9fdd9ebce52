"""CheXlocalize: masks and outlines of the findings in CheXpert's validation and test images.

There are no images here: the truth is one row a patient, and the masks are those that
`scene.draw` makes of the truth of `chexpert`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import contourpy
import numpy as np
import pandas as pd

from cxrfair import annotations
from cxrfair.phantom import noise, output, population, scene
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Floats
from cxrfair.phantom.writers import _chexpert

FORMS = ("segmentations", "annotations")
FOLDS = {"valid": "val", "test": "test"}  # CheXpert's word and CheXlocalize's
NAMES = {
    "Enlarged Cardiomediastinum": "Enlarged Cardiomediastinum",
    "Cardiomegaly": "Cardiomegaly",
    "Lung Lesion": "Lung Lesion",
    "Airspace Opacity": "Lung Opacity",
    "Edema": "Edema",
    "Consolidation": "Consolidation",
    "Atelectasis": "Atelectasis",
    "Pneumothorax": "Pneumothorax",
    "Pleural Effusion": "Pleural Effusion",
    "Support Devices": "Support Devices",
}
DIGITS = 5  # after the point, of the corners of outlines
EDGE = 0.5  # of a soft mask: where the finding ends
Marks = dict[str, Any]  # what is marked in one image, by label


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each patient, some at a time."""
    before = {f"gt_{form}_{name}.json": "{\n" for form in FORMS for name in FOLDS.values()}
    with output.Tables(root) as tables:
        for numbers, images in zip(
            population.blocks(config), _chexpert.images(config), strict=True
        ):
            for file, image, marks in _lines(config, images):
                tables.add_text(file, f"{before[file]}{json.dumps(image)}: {json.dumps(marks)}")
                before[file] = ",\n"
            persons = population.people(config, numbers)
            yield persons.assign(patient_id=_chexpert.patient_ids(numbers))
        for file, text in before.items():
            tables.add_text(file, "{}\n" if text.startswith("{") else "\n}\n")


def _lines(config: PhantomConfig, images: pd.DataFrame) -> Iterator[tuple[str, str, Marks]]:
    """Yield what to write: the file, the image, what is marked in it; some have a stray click."""
    for rows, pictures in scene.batches(images[images["fold"].isin(FOLDS)], config.image_size):
        stray = noise.uniform(config.seed, "stray click", rows["image_key"].to_numpy(), 3)
        for i, (image, fold) in enumerate(zip(rows["image_id"], rows["fold"], strict=True)):
            found = {name: soft for name in NAMES if (soft := _soft(pictures, name, i)) is not None}
            if not found:
                continue
            drawn = {name: _outlines(soft) for name, soft in found.items()}
            if stray[i, 0] < config.dirt_share:
                click = np.round(stray[i, 1:] * config.image_size, DIGITS).tolist()
                drawn[next(iter(drawn))].append([click])
            for form, marks in zip(FORMS, (_masks(found), drawn), strict=True):
                size = {"img_size": [config.image_size] * 2} if form == FORMS[1] else {}
                yield f"gt_{form}_{FOLDS[fold]}.json", image, {**size, **marks}


def _masks(found: Mapping[str, Floats]) -> Marks:
    """Return the mask of every label; without a pixel where the picture does not show it."""
    nothing = np.zeros_like(next(iter(found.values())))
    return {name: annotations.rle(found.get(name, nothing) > EDGE) for name in NAMES}


def _soft(pictures: scene.Pictures, name: str, row: int) -> Floats | None:
    """Return where one picture shows any of a label's findings, 0 to 1; None for nowhere."""
    parts = []
    for finding in _chexpert.PARTS[NAMES[name]]:
        rows, masks = pictures.masks.get(finding, ((), ()))
        parts += [mask for at, mask in zip(rows, masks, strict=True) if at == row]
    soft = np.max(parts, axis=0) if parts else None
    return soft if soft is not None and (soft > EDGE).any() else None


def _outlines(soft: Floats) -> list[list[list[float]]]:
    """Draw around a soft mask; corners [x, y] in pixels from the picture's upper left corner."""
    lines = contourpy.contour_generator(z=np.pad(soft, 1)).lines(EDGE)
    corners = (np.clip(np.asarray(line[:-1]) - 0.5, 0, len(soft)) for line in lines)
    return [np.round(around, DIGITS).tolist() for around in corners if len(around) > 2]
