"""Whose masks a training shows to its method: the guided pairs of image and label of its list."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import tables
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store

Places = NDArray[np.int64]


class GuidanceError(CxrfairError):
    """A training list asks for masks that are not there, or that cannot be shown."""


@dataclass(frozen=True)
class Masks:
    """All masks of a data set, (m, s, s) uint8 in a map, and rows of `tables.MASK_INDEX`."""

    values: NDArray[np.uint8]
    index: pd.DataFrame

    @classmethod
    def load(cls, values: Path, index: Path) -> Self:
        """Open both; masks are read as they are asked for.

        Raises
        ------
        GuidanceError
            If the array is not one of masks, or does not hold what the index says.
        """
        held, rows = np.load(values, mmap_mode="r"), tables.MASK_INDEX.read(index)
        if held.ndim != 3 or held.dtype != np.uint8 or held.shape[1] != held.shape[2]:
            raise GuidanceError(
                f"{values}: {held.shape} of {held.dtype}; allowed: (masks, size, size) of uint8"
            )
        if odd := int((~rows["row"].between(0, len(held) - 1)).sum()):
            raise GuidanceError(
                f"{index}: {odd} of {len(rows)} rows lie outside {values}, which has {len(held)}"
            )
        return cls(held, rows)


@dataclass(frozen=True)
class Guidance:
    """The masks of n examples: `row` (n, k) in `masks` (m, s, s), -1 where none is shown."""

    row: Places
    masks: NDArray[np.uint8]

    def read(self, example: Places) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Copy the masks of these c examples out of the map, and no others.

        Returns
        -------
        tuple
            Which pairs are guided, (c, k), and their masks (g, s, s), row by row of those.
        """
        rows = self.row[example]
        guided: NDArray[np.bool_] = rows >= 0
        return guided, np.asarray(self.masks[rows[guided]])


def guidance(
    listed: pd.DataFrame, labels: tuple[str, ...], given: Masks | None, store: Store, reads: bool
) -> Guidance | None:
    """Find the masks that a training list asks to be shown; None if it asks for none.

    Parameters
    ----------
    listed
        Rows of `tables.TRAINING_LIST`.
    labels
        What is learnt, in the order of the targets.
    reads
        Whether the method looks at masks; of one that does not, the list's guidance is nothing.

    Raises
    ------
    GuidanceError
        If masks are given to a method that does not read them, or not to one that is guided; if
        they are not laid out as the pictures of the store; if the list names other labels, a pair
        without a mask, or one of an image that is not for training.
    """
    if given is not None:
        _refuse_unfit(given, store, reads)
    pairs = _pairs(listed, labels)
    if not reads or pairs.empty:
        return None
    if given is None:
        raise GuidanceError(
            f"training list: {len(pairs)} pairs of image and label are guided, but no masks are "
            "given; a method that reads masks needs them, or a list without guided pairs"
        )
    found = pairs.merge(given.index, how="left", on=["image_id", "label"])
    _refuse_absent(found)
    row = np.full((len(listed), len(labels)), -1, np.int64)
    columns = [labels.index(label) for label in found["label"]]
    row[found["at"].to_numpy(np.int64), columns] = found["row"].to_numpy(np.int64)
    return Guidance(row, given.values)


def _refuse_unfit(given: Masks, store: Store, reads: bool) -> None:
    """Refuse masks that nobody looks at, or that do not lie over the store's pictures."""
    if not reads:
        raise GuidanceError("train: masks are given to a method that reads none; allowed: none")
    if store.holds_vectors:
        raise GuidanceError("train: masks are given, but the inputs are vectors; allowed: pictures")
    if (size := given.values.shape[1]) != store.size:
        raise GuidanceError(
            f"train: masks of {size} pixels a side; allowed: {store.size}, as the pictures are"
        )


def _pairs(listed: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """List the guided pairs: `at` which row of the list, image_id and label."""
    said = listed.get("guided", pd.Series(None, listed.index, dtype="string"))
    known = [
        (at, image, label)
        for at, (image, names) in enumerate(zip(listed["image_id"], said, strict=True))
        if isinstance(names, str)
        for label in _names(names)
    ]
    if odd := sorted({label for _, _, label in known} - set(labels)):
        raise GuidanceError(f"training list: guided labels {odd}; allowed: {', '.join(labels)}")
    return pd.DataFrame(known, columns=["at", "image_id", "label"])


def _names(said: str) -> list[str]:
    """Read a JSON list of labels."""
    try:
        names = json.loads(said)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise GuidanceError(f"training list: guided {said!r}; allowed: a JSON list of labels")
    return names


def _refuse_absent(found: pd.DataFrame) -> None:
    """Refuse pairs without a mask, and with one that nobody may learn from."""
    if lost := int(found["row"].isna().sum()):
        raise GuidanceError(
            f"training list: {lost} of {len(found)} guided pairs have no mask; allowed: 0"
        )
    if others := int((found["fold"] != "train").sum()):
        raise GuidanceError(
            f"training list: {others} of {len(found)} guided pairs have masks of images that are "
            "not for training; allowed: 0"
        )
