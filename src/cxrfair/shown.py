"""Which test images maps are drawn of: the same for every model of a data set."""

from typing import Annotated

import pandas as pd
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.hashing import stable_hash

SHOWN = "test"  # the fold they are of


class DrawConfig(Section):
    """Section `draw` of params.yaml.

    `images` is of how many test images maps are drawn; `share` of the cells of a map, those with
    the largest values, count as what a network looks at.
    """

    images: PositiveInt
    share: Annotated[float, Field(gt=0, le=1)]


def shown(splits: pd.DataFrame, config: DrawConfig) -> list[str]:
    """Choose test images by their ids alone and return them in order; all where there are too few.

    One image more or less in the fold changes at most one of the chosen.
    """
    test = splits.loc[splits["fold"] == SHOWN, "image_id"]
    return sorted(sorted(test, key=lambda i: (stable_hash("draw", i), i))[: config.images])
