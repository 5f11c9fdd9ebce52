"""What a rebalancing strategy is."""

import sys
from collections.abc import Iterable
from typing import Any, Protocol

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
    `tables.TRAINING_LIST` and sees nothing of validation and test.
    """

    Config: type[Section]

    def rebalance(self, members: pd.DataFrame, config: Any, seed: int) -> pd.DataFrame:
        """Make the training list."""
        ...


def names() -> tuple[str, ...]:
    """Names of all strategies."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> Strategy:
    """Return the strategy defined in the file of that name."""
    strategy: Strategy = plugins.find(sys.modules[__package__], name)
    return strategy


def once_each(members: pd.DataFrame, weight: pd.Series, seed: int) -> pd.DataFrame:
    """List every image once, in the order of the ids, with its weight (same index as `members`)."""
    ordered = members[["image_id"]].assign(weight=weight).sort_values("image_id", ignore_index=True)
    return pd.DataFrame(
        {
            "position": np.arange(len(ordered)),
            "image_id": ordered["image_id"],
            "weight": ordered["weight"].astype("float64"),
            "augmentation_seed": augmentation_seeds(ordered["image_id"], 0, seed),
        }
    )


def augmentation_seeds(images: Iterable[str], copy: int, seed: int) -> NDArray[np.int64]:
    """Hash (seed, image, copy) to a number of 63 bits for each image.

    An image's augmentations thus do not depend on which others are in the list.
    """
    return np.array([stable_hash(seed, copy, image) for image in images], dtype=np.int64)
