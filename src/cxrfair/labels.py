"""Label states to targets: the only place for what becomes of uncertain and unmentioned labels."""

from typing import Literal

import pandas as pd

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

TARGETS = {"missing": None, "negative": 0, "positive": 1}


class LabelError(CxrfairError):
    """A label that the data set does not have."""


class LabelConfig(Section):
    """Section `labels` of params.yaml."""

    uncertain: Literal["missing", "negative", "positive"]
    unmentioned: Literal["missing", "negative"]


def targets(labels: pd.DataFrame, wanted: tuple[str, ...], config: LabelConfig) -> pd.DataFrame:
    """Decide what is to be learnt and judged of each image and wanted label.

    Parameters
    ----------
    labels
        Rows of `tables.LABELS`. A label without a row for an image counts as unmentioned there.

    Returns
    -------
    DataFrame
        Rows of `tables.TARGETS`, one for each image in `labels` and each wanted label; target
        (Int8) is 1, 0 or missing.

    Raises
    ------
    LabelError
        If a wanted label has no row at all.
    """
    known = sorted(labels["label"].unique())
    if odd := [label for label in wanted if label not in known]:
        raise LabelError(f"labels: no {odd}; the data set has {', '.join(known)}")
    every = pd.MultiIndex.from_product(
        [labels["image_id"].unique(), wanted], names=["image_id", "label"]
    )
    stated = labels[labels["label"].isin(wanted)].set_index(["image_id", "label"])["state"]
    target_of = {
        "positive": 1,
        "negative": 0,
        "uncertain": TARGETS[config.uncertain],
        "unmentioned": TARGETS[config.unmentioned],
    }
    states = stated.reindex(every, fill_value="unmentioned")
    return states.map(target_of).astype("Int8").rename("target").reset_index()
