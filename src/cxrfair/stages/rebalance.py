"""Training images to a training list, and how well it covers what it leaves out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import rebalance as strategies
from cxrfair import tables
from cxrfair.images.appearance import appearance
from cxrfair.images.store import Store
from cxrfair.lookup import places, take
from cxrfair.rebalance import (
    RebalanceError,
    Strategy,
    coverage,
    members,
    reads_annotations,
    reads_features,
)
from cxrfair.stages._cli import call


def rebalance(
    *,
    cohort: Path,
    targets: Path,
    splits: Path,
    strategy: str,
    config: str,
    seed: int,
    looks: tuple[Path, ...],
    marks: tuple[Path, ...],
    listed: Path,
    kept: Path,
) -> None:
    """Decide what is trained on, and how often; only training images are handed over.

    `looks` are the store of pictures or vectors and its index, and `marks` where masks lie, for a
    strategy that reads them.
    """
    chosen = strategies.get(strategy)
    people = tables.COHORT.read(cohort)
    images = members(people, tables.TARGETS.read(targets), tables.SPLITS.read(splits))
    parsed = chosen.Config.parse(config, f"rebalance.{strategy}")
    seen: tuple[NDArray[np.float32], ...] = ()
    if reads_features(chosen):
        pixels, index = looks
        store = Store(pixels, tables.STORE_INDEX.read(index))
        seen = (appearance(store, images["image_id"].tolist()),)
    more = _annotated(chosen, marks, images, people)
    rows = chosen.rebalance(images, parsed, seed, *seen, *more)
    tables.TRAINING_LIST.write(rows, listed)
    tables.KEPT.write(coverage(images, people, rows, parsed, seed, seen), kept)


def _annotated(
    chosen: Strategy, marks: tuple[Path, ...], images: pd.DataFrame, people: pd.DataFrame
) -> tuple[Any, ...]:
    """Say which images have masks and whose each is, to a strategy that asks."""
    needed = int(reads_annotations(chosen))
    if len(marks) != needed:
        raise RebalanceError(f"rebalance: {len(marks)} files of marks; allowed here: {needed}")
    if not needed:
        return ()
    whose = take(people["patient_id"], places(images["image_id"], people["image_id"]))
    return tables.MASK_INDEX.read(marks[0]), whose.to_numpy(object)


if __name__ == "__main__":
    call(rebalance)
