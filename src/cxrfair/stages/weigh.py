"""Training lists to what they hold of each group and label."""

from pathlib import Path
from typing import Any

from cxrfair import tables
from cxrfair.rebalanced import weigh as count
from cxrfair.stages._cli import call
from cxrfair.studies import Study


def weigh(
    *,
    name: str,
    dataset: str,
    study: Study,
    lists: tuple[Any, ...],
    listed: tuple[Path, ...],
    cohort: Path,
    targets: Path,
    splits: Path,
    out: Path,
) -> None:
    """Weigh a data set's training lists; `lists` names rebalancing and seed of each."""
    rows = {
        (str(rebalance), int(seed)): tables.TRAINING_LIST.read(path)
        for (rebalance, seed), path in zip(lists, listed, strict=True)
    }
    people = tables.COHORT.read(cohort), tables.TARGETS.read(targets), tables.SPLITS.read(splits)
    tables.TRAINED_ON.write(count((name, dataset), study, rows, people), out)


if __name__ == "__main__":
    call(weigh)
