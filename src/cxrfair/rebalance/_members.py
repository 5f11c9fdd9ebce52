"""What a strategy is handed: the training images and nothing else."""

import pandas as pd


def members(cohort: pd.DataFrame, targets: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return one row a training image: image_id, the cohort's attributes, a column a label.

    Parameters
    ----------
    cohort, targets, splits
        Rows of the tables of those names.
    """
    folds = splits.set_index("image_id")["fold"]
    inside = cohort[cohort["image_id"].map(folds) == "train"]
    wide = targets.pivot(index="image_id", columns="label", values="target")
    attributes = inside[["image_id", "sex", "age", "race", "insurance", "view"]]
    return attributes.join(wide, on="image_id").reset_index(drop=True)
