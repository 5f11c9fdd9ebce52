"""Predictions of all models of a study to its metrics."""

from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import tables
from cxrfair.audit import FOLD, TABLES, AuditConfig, Evidence, Model, headline, points
from cxrfair.audit import audit as judge
from cxrfair.files import whole, write_text
from cxrfair.stages._cli import as_json, call
from cxrfair.studies import Study


def audit(
    *,
    name: str,
    study: Study,
    models: tuple[Any, ...],
    predictions: tuple[Path, ...],
    thresholds: tuple[Path, ...],
    cohorts: tuple[Path, ...],
    config: AuditConfig,
    found: tuple[Path, ...],
    numbers: Path,
    plots: Path,
) -> None:
    """Judge every model in every group.

    `models` names the files in the order they are given; `found` are the files of `audit.TABLES`,
    in their order. The same predictions may be given several times, of variants that only decide
    differently.
    """
    scored = {path: tables.PREDICTIONS.read(path, only=("fold", FOLD)) for path in set(predictions)}
    evidence = {
        Model(*key): Evidence(scored[scores], tables.THRESHOLDS.read(cuts))
        for key, scores, cuts in zip(models, predictions, thresholds, strict=True)
    }
    people: dict[str, pd.DataFrame] = {
        dataset: tables.COHORT.read(path)
        for dataset, path in zip(study.datasets, cohorts, strict=True)
    }
    judged = judge(name, study, evidence, people, config)
    for table, frame, path in zip(TABLES.values(), judged, found, strict=True):
        table.write(frame, path)
    write_text(numbers, as_json(headline(judged.summary)))
    with whole(plots) as part:
        points(judged.summary).to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(audit)
