"""Training images to a training list, and how well it covers what it leaves out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrfair import rebalance as strategies
from cxrfair import tables
from cxrfair.images.appearance import appearance
from cxrfair.images.store import Store
from cxrfair.rebalance import coverage, members, reads_features
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
    listed: Path,
    kept: Path,
) -> None:
    """Decide what is trained on, and how often; only training images are handed over.

    `looks` are the store of pictures or vectors and its index, for a strategy that reads them.
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
    rows = chosen.rebalance(images, parsed, seed, *seen)
    tables.TRAINING_LIST.write(rows, listed)
    tables.KEPT.write(coverage(images, people, rows, parsed, seed, seen), kept)


if __name__ == "__main__":
    call(rebalance)
