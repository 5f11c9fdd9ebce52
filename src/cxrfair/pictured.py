"""A few images with findings, and where each variant looks in them: what a figure needs.

Only for simulated images: a picture of a patient is never put in a report.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrfair.files import whole
from cxrfair.hashing import stable_hash
from cxrfair.localisation import Images, Maps
from cxrfair.statistics.versus import ANY

MOST = 4  # images

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Kept = Bools | Bytes | NDArray[np.int16] | NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """Where a variant looks in e images: `cells` (e, rows, columns), and which map says so most.

    `kind` and `of` are what the maps are and what they are called, as in `localisation.Maps`;
    `largest` (e, rows, columns) counts among them.
    """

    kind: str
    of: tuple[str, ...]
    cells: Bools
    largest: NDArray[np.int16]


@dataclass(frozen=True)
class Examples:
    """Pictures (e, size, size) of images, their `findings` and masks (e, findings, size, size).

    `seen` holds, by variant, where it looks with its first seed.
    """

    pixels: Bytes
    findings: tuple[str, ...]
    masks: Bools
    seen: Mapping[str, Seen]

    def write(self, path: Path) -> None:
        """Save everything as arrays in one file; equal content is equal bytes."""
        about = {
            "findings": self.findings,
            "seen": {name: [each.kind, each.of] for name, each in self.seen.items()},
        }
        arrays: dict[str, Kept] = {"pixels": self.pixels, "masks": self.masks}
        for place, each in enumerate(self.seen.values()):
            arrays |= {f"cells_{place}": each.cells, f"largest_{place}": each.largest}
        save(path, about, arrays)

    @classmethod
    def read(cls, path: Path) -> "Examples":
        """Read what `write` saved."""
        about, arrays = load(path)
        seen = {
            name: Seen(kind, tuple(of), arrays[f"cells_{place}"], arrays[f"largest_{place}"])
            for place, (name, (kind, of)) in enumerate(about["seen"].items())
        }
        return cls(arrays["pixels"], tuple(about["findings"]), arrays["masks"], seen)


NOTHING = Examples(
    np.zeros((0, 1, 1), np.uint8), (), np.zeros((0, 0, 1, 1), np.bool_), {}
)  # what is kept of patients


def save(path: Path, about: Mapping[str, object], arrays: Mapping[str, Kept]) -> None:
    """Save arrays, and what JSON says about them, in one file; equal content is equal bytes."""
    told = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=told, **arrays)


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `save` saved."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop("about").tobytes()), arrays


def choose(images: Images) -> list[int]:
    """Choose images with a finding by their ids alone; their places, in order of id."""
    ids = [(images.image_ids[row], int(row)) for row in images.outlined()[ANY][0]]
    ranked = sorted(ids, key=lambda of: (stable_hash("example", of[0]), of[0]))
    return [row for _, row in sorted(ranked[:MOST])]


def depict(models: Mapping[str, Maps], images: Images, pixels: Bytes, share: float) -> Examples:
    """Keep where each variant looks in the chosen images (`choose`), whose pictures these are."""
    chosen = choose(images)
    findings = tuple(images.masks)
    masks = np.zeros((len(chosen), len(findings), *pixels.shape[1:]), np.bool_)
    for place, (rows, mask) in enumerate(images.masks.values()):
        mine = [(at, np.flatnonzero(rows == row)) for at, row in enumerate(chosen)]
        for at, found in mine:
            masks[at, place] = mask[found].any(axis=0)
    ids = [images.image_ids[row] for row in chosen]
    return Examples(
        pixels, findings, masks, {name: _seen(of.at(ids), share) for name, of in models.items()}
    )


def _seen(maps: Maps, share: float) -> Seen:
    """Return where a model looks."""
    shape = (len(maps.values), *maps.grid)
    largest = maps.strength.argmax(axis=1).astype(np.int16)
    return Seen(maps.kind, maps.of, maps.looked_at(share).reshape(shape), largest.reshape(shape))
