"""What trainings left out or drew more often, to whose images these are."""

from pathlib import Path
from typing import Any

from cxrfair import tables
from cxrfair.redrawn import count
from cxrfair.stages._cli import call
from cxrfair.studies import Study


def drawn(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    repeats: tuple[Path, ...],
    cohort: Path,
    targets: Path,
    splits: Path,
    out: Path,
) -> None:
    """Count whose entries trainings took how often; `models` names variant and seed of each."""
    rows = {
        (str(variant), int(seed)): tables.DRAWN.read(path)
        for (variant, seed), path in zip(models, repeats, strict=True)
    }
    people = tables.COHORT.read(cohort), tables.TARGETS.read(targets), tables.SPLITS.read(splits)
    tables.REDRAWN.write(count((name, dataset), study, rows, people), out)


if __name__ == "__main__":
    call(drawn)
