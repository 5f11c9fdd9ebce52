"""Scores of many trials to how each of them does on the test images."""

from pathlib import Path
from typing import Any

import numpy as np

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.studies import Study
from cxrfair.trials import of_heads, of_predictions, table


def trials(
    *,
    name: str,
    dataset: str,
    study: Study,
    heads: tuple[Any, ...],
    scores: tuple[Path, ...],
    index: tuple[Path, ...],
    models: tuple[Any, ...],
    predictions: tuple[Path, ...],
    cohort: Path,
    targets: Path,
    smallest: int,
    out: Path,
) -> None:
    """Judge every trial of a data set.

    `heads` names variant and seed of `scores` and `index` in their order, `models` those of
    `predictions`: one trial each. `smallest` is the size below which a group is flagged, in images.
    """
    found = {
        (str(variant), int(seed)): of_heads(
            np.load(values, mmap_mode="r"), tables.TRIAL_INDEX.read(places)
        )
        for (variant, seed), values, places in zip(heads, scores, index, strict=True)
    }
    for (variant, seed), path in zip(models, predictions, strict=True):
        rows = tables.PREDICTIONS.read(path, only=("fold", "test"))
        found[str(variant), int(seed)] = of_predictions(rows, study.labels)
    people = tables.COHORT.read(cohort), tables.TARGETS.read(targets)
    tables.TRIALS.write(table((name, dataset), study, found, people, smallest), out)


if __name__ == "__main__":
    call(trials)
