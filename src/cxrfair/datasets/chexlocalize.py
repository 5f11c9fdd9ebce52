"""CheXlocalize: radiologists' outlines of ten findings in CheXpert's validation and test images.

Each finding comes twice, as drawn (polygons) and as a mask (COCO run lengths); both are in pixels
of the full-size images, so for CheXpert-v1.0-small they must be scaled. Images are named as
`chexpert` names them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import annotations, tables
from cxrfair.annotations import GeometryError
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Layout, Marks

KIND: _source.Kind = "annotations"
SOURCE = "Saporta et al. 2022, CheXlocalize, Nat Mach Intell 4, pp. 867-878; Stanford AIMI"
MASKS = ("gt_segmentations_val.json", "gt_segmentations_test.json")
OUTLINES = ("gt_annotations_val.json", "gt_annotations_test.json")
PLACES = ("", "CheXlocalize/")
TABLES = tuple(f"{place}{name}" for place in PLACES for name in (*MASKS, *OUTLINES))
IMAGES: tuple[str, ...] = ()
LAYOUT = Layout(
    title="CheXlocalize",
    url="https://stanfordaimi.azurewebsites.net/datasets/23c56a0d-15de-405b-87c8-99c30138950c",
    access="Register with Stanford AIMI and accept the Stanford University Dataset Research Use "
    "Agreement; free for research, not to be passed on.",
    files={
        "gt_segmentations_val.json": "masks of the validation images",
        "gt_segmentations_test.json": "masks of the test images",
        "gt_annotations_val.json": "outlines in the validation images, as drawn",
        "gt_annotations_test.json": "outlines in the test images, as drawn",
    },
    counts={"findings": 10},
    optional=OUTLINES,
)
LABELS = {
    "Enlarged Cardiomediastinum": "enlarged_cardiomediastinum",
    "Cardiomegaly": "cardiomegaly",
    "Lung Lesion": "lung_lesion",
    "Airspace Opacity": "lung_opacity",
    "Edema": "edema",
    "Consolidation": "consolidation",
    "Atelectasis": "atelectasis",
    "Pneumothorax": "pneumothorax",
    "Pleural Effusion": "pleural_effusion",
    "Support Devices": "support_devices",
}
SPELLINGS = {**LABELS, "Lung Opacity": "lung_opacity"}  # what its README calls Airspace Opacity
IMAGE = re.compile(r"patient\d{5,7}_study\d{1,3}_view\d{1,3}_(frontal|lateral)")
EMPTY = "masks without a pixel: the finding is not there"
SLIGHT = "outlines of fewer than three corners"
Shapes = Iterator[tuple[str, str]]  # kind and geometry


def read(root: Path) -> Marks:
    """Read whichever of the four files are there.

    A mask without a pixel says that the finding is not there, and is counted, not kept; so are
    outlines that enclose nothing.

    Raises
    ------
    SourceError
        If none is there, or one is damaged or holds another image name, label or geometry.
    """
    names = dict.fromkeys(MASKS, _masks) | dict.fromkeys(OUTLINES, _outlines)
    paths = [path for name in names if (path := _one(root, name))]
    if not paths:
        raise SourceError(f"{root}: no annotation at all; looked for {', '.join(TABLES)}")
    notes: Counter[str] = Counter()
    rows = [row for path in paths for row in _rows(path, names[path.name], notes)]
    known = pd.DataFrame(rows, columns=["image_id", "label", "kind", "geometry", "source"])
    known["i"] = known.groupby(["image_id", "label"]).cumcount()
    return Marks(_source.fill(tables.ANNOTATIONS, known), dict(sorted(notes.items())))


def _one(root: Path, name: str) -> Path | None:
    """Find a file in the root or in its folder `CheXlocalize`."""
    places = (root / place for place in PLACES)
    return next((path for place in places if (path := _csv.locate_optional(place, name))), None)


def _rows(
    path: Path, shapes: Callable[[Any, object, Counter[str]], Shapes], notes: Counter[str]
) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the rows of one file: image, label, kind, geometry and source."""
    for image, marks in _images(path).items():
        size = marks.pop("img_size", None)
        for name, mark in marks.items():
            where = f"{path} image {image!r}, label {name!r}"
            if name not in SPELLINGS:
                raise SourceError(f"{where}; allowed: {', '.join(SPELLINGS)}")
            for kind, geometry in _named(where, shapes(mark, size, notes)):
                yield image, SPELLINGS[name], kind, geometry, path.name


def _named(where: str, shapes: Shapes) -> Shapes:
    """Yield the shapes; say where one is that cannot be."""
    try:
        yield from shapes
    except GeometryError as error:
        raise SourceError(f"{where}: {error}") from None


def _images(path: Path) -> dict[str, dict[str, Any]]:
    """Load one file: what is marked in each image."""
    try:
        images = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        says = "a whole JSON file is needed"
        raise SourceError(f"{path}: cannot be read ({error}); {says}") from None
    if not isinstance(images, dict) or not all(isinstance(v, dict) for v in images.values()):
        raise SourceError(f"{path}: allowed: an object of images, each an object of labels")
    if odd := [image for image in images if not IMAGE.fullmatch(image)]:
        says = f"allowed: patient00001_study1_view1_frontal ({len(odd)} images)"
        raise SourceError(f"{path} image {odd[0]!r}; {says}")
    return images


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of pairs whose names differ; JSON's reader would keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def _masks(mark: Any, _size: object, notes: Counter[str]) -> Shapes:
    """Yield a finding's mask, if it has a pixel."""
    if annotations.runs(mark)[1::2].any():
        yield "rle", json.dumps({"size": mark["size"], "counts": mark["counts"]})
    else:
        notes[EMPTY] += 1


def _outlines(mark: Any, size: object, notes: Counter[str]) -> Shapes:
    """Yield a finding's outlines, those that enclose something."""
    if not isinstance(size, list) or len(size) != 2 or not all(type(v) is int for v in size):
        raise GeometryError("img_size; allowed: [height, width] in pixels")
    if not isinstance(mark, list):
        raise GeometryError("polygon; allowed: a list of outlines, each a list of corners")
    for outline in mark:
        pairs = isinstance(outline, list) and all(isinstance(pair, list) for pair in outline)
        if pairs and len(outline) < 3:
            notes[SLIGHT] += 1
            continue
        yield "polygon", json.dumps(annotations.corners(outline, *size).tolist())
