"""Validation scores of all models of a study to the models that rules would choose."""

from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import tables
from cxrfair.evidence import Model
from cxrfair.selection import select as choose
from cxrfair.stages._cli import call
from cxrfair.studies import Study, homes
from cxrfair.thresholds import FOLD


def select(
    *,
    name: str,
    study: Study,
    models: tuple[Any, ...],
    predictions: tuple[Path, ...],
    cohorts: tuple[Path, ...],
    leakage: tuple[Path, ...],
    out: Path,
) -> None:
    """Choose by every rule; `models` names the files of predictions in the order given.

    `cohorts` are those of the data sets that are not external, in the study's order.
    """
    scores = {
        Model(*key): tables.PREDICTIONS.read(path, only=("fold", FOLD))
        for key, path in zip(models, predictions, strict=True)
    }
    people: dict[str, pd.DataFrame] = {
        dataset: tables.COHORT.read(path)
        for dataset, path in zip(homes(study), cohorts, strict=True)
    }
    probed = [tables.ATTRIBUTE_LEAKAGE.read(path, only=("fold", FOLD)) for path in leakage]
    rows = pd.concat(probed) if probed else tables.ATTRIBUTE_LEAKAGE.empty()
    tables.SELECTION.write(choose(name, study, scores, people, rows), out)


if __name__ == "__main__":
    call(select)
