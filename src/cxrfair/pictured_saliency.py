"""A few simulated images, what speaks for a label and for an attribute in them: for a figure.

Only for simulated images: a picture of a patient is never put in a report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrfair.localisation import Images, Masks
from cxrfair.overlap import ATTRIBUTE, LABEL, Saliency, enlarge
from cxrfair.pictured import choose, load, save
from cxrfair.studies import Study

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Images (e) as `stored` and, by variant, as its network sees them with the first seed.

    Each is (e, size, size), as `masks` are, which say where the findings are.
    """

    image_ids: tuple[str, ...]
    masks: Bools
    stored: Bytes
    seen: Mapping[str, Bytes]

    def write(self, path: Path) -> None:
        """Save everything as arrays in one file; equal content is equal bytes."""
        pixels = np.stack(list(self.seen.values())) if self.seen else _NO_PICTURES
        about = {"image_ids": self.image_ids, "seen": list(self.seen)}
        save(path, about, {"masks": self.masks, "stored": self.stored, "pixels": pixels})

    @classmethod
    def read(cls, path: Path) -> "Pictures":
        """Read what `write` saved."""
        about, arrays = load(path)
        seen = dict(zip(about["seen"], arrays["pixels"], strict=True))
        masks = arrays["masks"].astype(np.bool_)
        return cls(tuple(about["image_ids"]), masks, arrays["stored"], seen)


@dataclass(frozen=True)
class Panels:
    """Pictures of e images and, by variant, two maps of each.

    `names` are the label and the attribute that they are of; `masks`, `stored` and `seen` are those
    of `Pictures`. `maps` (2, e, size, size) go from 0 to the largest value of each map as 255.
    """

    names: tuple[str, str]
    masks: Bools
    stored: Bytes
    seen: Mapping[str, Bytes]
    maps: Mapping[str, Bytes]

    def changes(self, variant: str) -> bool:
        """Tell whether a variant's network sees other pictures than those stored."""
        return variant in self.seen and not np.array_equal(self.seen[variant], self.stored)

    def write(self, path: Path) -> None:
        """Save everything as arrays in one file; equal content is equal bytes."""
        about = {"names": self.names, "seen": list(self.seen)}
        pixels = np.stack(list(self.seen.values())) if self.seen else _NO_PICTURES
        maps = np.stack([self.maps[name] for name in self.seen]) if self.seen else _NO_PICTURES
        pictures = {"stored": self.stored, "pixels": pixels, "maps": maps}
        save(path, about, {"masks": self.masks, **pictures})

    @classmethod
    def read(cls, path: Path) -> "Panels":
        """Read what `write` saved."""
        about, arrays = load(path)
        seen, maps = (
            dict(zip(about["seen"], arrays[name], strict=True)) for name in ("pixels", "maps")
        )
        label, attribute = about["names"]
        masks = arrays["masks"].astype(np.bool_)
        return cls((label, attribute), masks, arrays["stored"], seen, maps)


_NO_PICTURES = np.zeros((0, 0, 1, 1), np.uint8)
_NONE_STORED = np.zeros((0, 1, 1), np.uint8)
NO_MASKS = np.zeros((0, 1, 1), np.bool_)
NONE = Pictures((), NO_MASKS, _NONE_STORED, {})  # what is kept of patients


def pick(image_ids: list[str], masks: Masks, labels: tuple[str, ...]) -> tuple[list[int], Bools]:
    """Choose images with a finding that is one of `labels`, or with any where none is.

    As `pictured.choose`, by their ids alone. Also return where the findings are, (e, size, size).
    """
    wanted = {name: of for name, of in masks.items() if name in labels} or masks
    images = Images(image_ids, image_ids, wanted)
    chosen = choose(images)
    rows, union = next(iter(images.outlined().values()))
    return chosen, union[np.searchsorted(rows, chosen)]


def panels(study: Study, saliency: Saliency, pictures: Pictures) -> Panels:
    """Set the maps of a study's first label and first attribute beside the pictures."""
    label, attribute = study.labels[0], next(iter(study.effects))
    what = ((LABEL, label), (ATTRIBUTE, attribute))
    maps, ids, side = {}, pictures.image_ids, pictures.masks.shape[-1]
    for variant in pictures.seen if ids else ():
        model = (variant, study.seeds[0])
        maps[variant] = np.stack([_bytes(saliency.maps(model, each, ids), side) for each in what])
    seen = {name: pictures.seen[name] for name in maps}
    return Panels((label, attribute), pictures.masks, pictures.stored, seen, maps)


def _bytes(maps: NDArray[np.float32], size: int) -> Bytes:
    """Enlarge maps (e, rows, columns) and let each reach 255, one that is 0 everywhere aside."""
    large = enlarge(maps, size)
    top = large.max(axis=(1, 2), keepdims=True)
    scaled = np.divide(large, top, out=np.zeros_like(large), where=top > 0)
    found: Bytes = np.rint(255 * scaled).astype(np.uint8)
    return found
