"""A few test images with outlined labels, and each variant's maps of them: what a figure needs.

Only of simulated images: a picture of a patient is never put in a report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrfair.hashing import stable_hash
from cxrfair.localisation import Maps, Masks
from cxrfair.pictured import load, save
from cxrfair.pointing import of_label

MOST = 4  # images of a label

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sights:
    """Pairs (e) of a picture and a label that it has a mask of, and what variants' maps show there.

    `labels` (e) in order; `pixels` (e, size, size) grey levels; `masks` (e, size, size) of that
    label alone. `maps` holds, by variant, the map of the pair's label that its first seed draws,
    (e, rows, columns), as it is: in its own units and on its own grid. A variant whose maps are of
    no label has the same map for each label of an image.
    """

    pixels: Bytes
    labels: tuple[str, ...]
    masks: Bools
    maps: Mapping[str, Floats]

    def write(self, path: Path) -> None:
        """Save everything as arrays in one file; equal content is equal bytes."""
        about = {"labels": self.labels, "variants": list(self.maps)}
        arrays = {f"map_{place}": of for place, of in enumerate(self.maps.values())}
        save(path, about, {"pixels": self.pixels, "masks": self.masks, **arrays})

    @classmethod
    def read(cls, path: Path) -> "Sights":
        """Read what `write` saved."""
        about, arrays = load(path)
        maps = {name: arrays[f"map_{place}"] for place, name in enumerate(about["variants"])}
        return cls(arrays["pixels"], tuple(about["labels"]), arrays["masks"], maps)


NOTHING = Sights(
    np.zeros((0, 1, 1), np.uint8), (), np.zeros((0, 1, 1), np.bool_), {}
)  # what is kept of patients


def choose(image_ids: Sequence[str]) -> list[int]:
    """Choose images of a label by their ids alone; their places, in order of id."""
    ids = sorted((image, row) for row, image in enumerate(image_ids))
    ranked = sorted(ids, key=lambda of: (stable_hash("sight", of[0]), of[0]))
    return [row for _, row in sorted(ranked[:MOST])]


def select(image_ids: Sequence[str], masks: Masks) -> list[tuple[str, int, int]]:
    """Select pairs of a label and an image with a mask of it: label, place of image and of mask.

    `masks` gives, by label, places among the images (k,) and masks (k, size, size); those that are
    empty are none.
    """
    found = []
    for label, (rows, of) in masks.items():
        seen = np.flatnonzero(of.any(axis=(1, 2)))
        for at in choose([image_ids[row] for row in rows[seen]]):
            found.append((label, int(rows[seen[at]]), int(seen[at])))
    return found


def depict(
    models: Mapping[str, Maps],
    image_ids: Sequence[str],
    masks: Masks,
    read: Callable[[list[str]], Bytes],
) -> Sights:
    """Keep the selected pairs (`select`) as every variant draws them.

    Parameters
    ----------
    models
        Maps by variant, of one seed; of all the images.
    read
        Gives pictures (e, size, size) of some images by their ids.
    """
    pairs = select(image_ids, masks)
    if not pairs:
        return NOTHING
    ids = [image_ids[row] for _, row, _ in pairs]
    labels = tuple(label for label, _, _ in pairs)
    maps = {
        name: np.stack([of_label(of, label)[at] for at, label in enumerate(labels)])
        for name, of in ((name, every.at(ids)) for name, every in models.items())
    }
    drawn = np.stack([masks[label][1][place] for label, _, place in pairs])
    return Sights(read(ids), labels, drawn, maps)
