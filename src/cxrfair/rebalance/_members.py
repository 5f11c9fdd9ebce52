"""What a strategy is handed: the training images and nothing else."""

import pandas as pd

from cxrfair import tables
from cxrfair.labels import judged

ATTRIBUTES = ("sex", "age", "race", "insurance", "view")


def members(cohort: pd.DataFrame, targets: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return one row a training image: image_id, the cohort's attributes, a column a label.

    A label in doubt is neither positive nor negative: its target is missing here.

    Parameters
    ----------
    cohort, targets, splits
        Rows of the tables of those names; images without a fold are left out.
    """
    folds = splits.set_index("image_id")["fold"]
    inside = cohort[cohort["image_id"].map(folds) == "train"]
    certain = targets.assign(target=judged(targets["target"]))
    wide = certain.pivot(index="image_id", columns="label", values="target")
    more = [column for column in cohort.columns if column not in tables.COHORT.columns]
    attributes = inside[["image_id", *ATTRIBUTES, *more]]
    return attributes.join(wide, on="image_id").reset_index(drop=True)
