"""Validation scores to thresholds: one a label, or those of each group."""

from pathlib import Path

from cxrfair import group_thresholds, tables
from cxrfair.group_thresholds import GroupConfig
from cxrfair.stages._cli import call
from cxrfair.thresholds import FOLD, ThresholdConfig, fit


def threshold(
    predictions: Path,
    cohort: tuple[Path, ...],
    config: ThresholdConfig,
    post: GroupConfig,
    thresholds: Path,
) -> None:
    """Fit thresholds; the fitting functions are handed validation rows and nothing else.

    `cohort` is one file where `post` asks for thresholds of groups, and none elsewhere.
    """
    rows = tables.PREDICTIONS.read(predictions, only=("fold", FOLD))
    fitted = fit(rows, config)
    if post.rule is not None:
        (people,) = map(tables.COHORT.read, cohort)
        groups = group_thresholds.groups(people, post.groups)
        fitted = group_thresholds.fit(rows, groups, post.rule, fitted)
    tables.THRESHOLDS.write(fitted, thresholds)


if __name__ == "__main__":
    call(threshold)
