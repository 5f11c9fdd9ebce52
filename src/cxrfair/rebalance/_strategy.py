"""What a rebalancing strategy is."""

import sys
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import plugins
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash


class RebalanceError(CxrfairError):
    """A training list cannot be made as asked."""


class Strategy(Protocol):
    """What the file of a strategy holds: its settings and one function.

    `rebalance` takes the training images (one row each: image_id, the cohort's attributes, and a
    column of targets for each label), the settings and a seed. It returns rows of
    `tables.TRAINING_LIST` and sees nothing of validation and test. A file that says
    `READS_FEATURES = True` is handed the images' features as well, float32 of (n, d) in the order
    of the rows. One that says `READS_ANNOTATIONS = True` is handed instead rows of
    `tables.MASK_INDEX` (of all folds: only training images may count), and whose each image is,
    patient_id in the order of the rows.
    """

    Config: type[Section]
    rebalance: Callable[..., pd.DataFrame]


def names() -> tuple[str, ...]:
    """Names of all strategies."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> Strategy:
    """Return the strategy defined in the file of that name."""
    strategy: Strategy = plugins.find(sys.modules[__package__], name)
    return strategy


def reads_features(strategy: Strategy) -> bool:
    """Say whether a strategy has to be handed the features of the training images."""
    return bool(getattr(strategy, "READS_FEATURES", False))


def reads_annotations(strategy: Strategy) -> bool:
    """Say whether a strategy has to be told which images have masks, and whose they are."""
    return bool(getattr(strategy, "READS_ANNOTATIONS", False))


def once_each(members: pd.DataFrame, weight: pd.Series, seed: int) -> pd.DataFrame:
    """List every image once, in the order of the ids, with its weight (same index as `members`)."""
    ordered = members[["image_id"]].assign(weight=weight).sort_values("image_id", ignore_index=True)
    n = len(ordered)
    seeds = augmentation_seeds(ordered["image_id"], 0, seed)
    return entries(ordered["image_id"], seeds).assign(
        position=np.arange(n), weight=ordered["weight"].astype("float64")
    )


def entries(images: pd.Series, seeds: NDArray[np.int64]) -> pd.DataFrame:
    """Make rows of `tables.TRAINING_LIST`, each the image itself with weight 1, in this order.

    No label of any is guided.
    """
    n = len(images)
    return pd.DataFrame(
        {
            "position": np.arange(n),
            "image_id": images.to_numpy(),
            "weight": np.ones(n),
            "augmentation_seed": seeds,
            "partner": pd.Series([pd.NA] * n, dtype="string"),
            "share": np.full(n, np.nan),
            "guided": pd.Series([pd.NA] * n, dtype="string"),
        }
    )


def augmentation_seeds(images: Iterable[str], copy: int, seed: int) -> NDArray[np.int64]:
    """Hash (seed, image, copy) to a number of 63 bits for each image.

    An image's augmentations thus do not depend on which others are in the list.
    """
    return np.array([stable_hash(seed, copy, image) for image in images], dtype=np.int64)
