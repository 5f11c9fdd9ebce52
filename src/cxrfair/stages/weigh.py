"""Training lists to what they hold of each group and label, and what they cover."""

from pathlib import Path
from typing import Any

from cxrfair import tables
from cxrfair.rebalanced import covered
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
    kept: tuple[Path, ...],
    cohort: Path,
    targets: Path,
    splits: Path,
    out: Path,
    coverage: Path,
) -> None:
    """Weigh a data set's training lists; `lists` names rebalancing and seed of each."""
    keys = [(str(rebalance), int(seed)) for rebalance, seed in lists]
    rows = dict(zip(keys, map(tables.TRAINING_LIST.read, listed), strict=True))
    beside = dict(zip(keys, map(tables.KEPT.read, kept), strict=True))
    people = tables.COHORT.read(cohort), tables.TARGETS.read(targets), tables.SPLITS.read(splits)
    tables.TRAINED_ON.write(count((name, dataset), study, rows, people), out)
    tables.COVERAGE.write(covered((name, dataset), beside), coverage)


if __name__ == "__main__":
    call(weigh)
