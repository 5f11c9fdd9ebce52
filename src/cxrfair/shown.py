"""Which test images maps are drawn of: the same for every model of a data set."""

from typing import Annotated

import pandas as pd
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.hashing import stable_hash
from cxrfair.lookup import places

SHOWN = "test"  # the fold they are of


class DrawConfig(Section):
    """Section `draw` of params.yaml.

    `images` is of how many test images maps are drawn, and `annotated` of how many of those that
    have a mask, where maps are held against masks; `share` of the cells of a map, those with the
    largest values, count as what a network looks at.
    """

    images: PositiveInt
    annotated: PositiveInt
    share: Annotated[float, Field(gt=0, le=1)]


def shown(splits: pd.DataFrame, config: DrawConfig, marks: pd.DataFrame | None = None) -> list[str]:
    """Choose test images by their ids alone and return them in order; all where there are too few.

    With `marks` (rows of `tables.MASK_INDEX`, of other folds too) these are `images` of all test
    images and `annotated` of those with a mask, some of which may be the same. One image more or
    less in the fold changes at most one of the chosen of either kind.
    """
    test = splits.loc[splits["fold"] == SHOWN, "image_id"]
    chosen = set(_first(test, config.images))
    if marks is not None:
        masked = test[places(test, pd.Index(marks["image_id"].unique())) >= 0]
        chosen |= set(_first(masked, config.annotated))
    return sorted(chosen)


def _first(image_ids: pd.Series, count: int) -> list[str]:
    """Return the first images in the order of a hash of their ids."""
    return sorted(image_ids, key=lambda i: (stable_hash("draw", i), i))[:count]
