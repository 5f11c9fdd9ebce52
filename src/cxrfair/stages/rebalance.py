"""Training images to a training list."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrfair import rebalance as strategies
from cxrfair import tables
from cxrfair.images.appearance import appearance
from cxrfair.images.store import Store
from cxrfair.rebalance import members, reads_features
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
) -> None:
    """Decide what is trained on, and how often; only training images are handed over.

    `looks` are the store of pictures or vectors and its index, for a strategy that reads them.
    """
    chosen = strategies.get(strategy)
    images = members(
        tables.COHORT.read(cohort), tables.TARGETS.read(targets), tables.SPLITS.read(splits)
    )
    parsed = chosen.Config.parse(config, f"rebalance.{strategy}")
    seen: tuple[NDArray[np.float32], ...] = ()
    if reads_features(chosen):
        pixels, index = looks
        store = Store(pixels, tables.STORE_INDEX.read(index))
        seen = (appearance(store, images["image_id"].tolist()),)
    tables.TRAINING_LIST.write(chosen.rebalance(images, parsed, seed, *seen), listed)


if __name__ == "__main__":
    call(rebalance)
