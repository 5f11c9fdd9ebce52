"""A cohort to folds."""

from pathlib import Path

from cxrfair import tables
from cxrfair.splits import SplitConfig, assign
from cxrfair.stages._cli import call


def split(cohort: Path, targets: Path, config: SplitConfig, splits: Path) -> None:
    """Assign every image of a cohort to a fold."""
    folds = assign(tables.COHORT.read(cohort), tables.TARGETS.read(targets), config)
    tables.SPLITS.write(folds, splits)


if __name__ == "__main__":
    call(split)
