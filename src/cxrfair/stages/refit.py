"""Stored features of a data set's models to heads for other labels, and how well these do."""

from pathlib import Path
from typing import Any

from cxrfair import labels as label_policy
from cxrfair import tables
from cxrfair.downstream import Rules, judge
from cxrfair.embeddings import Embeddings
from cxrfair.labels import LabelConfig
from cxrfair.lookup import places as find
from cxrfair.probes import People, ProbeConfig
from cxrfair.stages._cli import call
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.thresholds import ThresholdConfig


def refit(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    features: tuple[Path, ...],
    places: tuple[Path, ...],
    splits: Path,
    cohort: Path,
    states: Path,
    policy: LabelConfig,
    config: ProbeConfig,
    threshold: ThresholdConfig,
    uncertainty: Uncertainty,
    out: Path,
) -> None:
    """Refit heads of every model; `models` names variant and seed of the files in their order."""
    stored = {
        (str(variant), int(seed)): Embeddings(values, tables.EMBEDDING_INDEX.read(index))
        for (variant, seed), values, index in zip(models, features, places, strict=True)
    }
    folds, said = tables.SPLITS.read(splits), tables.LABELS.read(states)
    inside = find(said["image_id"], folds["image_id"]) >= 0
    targets = label_policy.targets(said[inside], study.downstream, policy)
    people = People(folds, tables.COHORT.read(cohort), targets)
    rules = Rules(config, threshold, uncertainty)
    tables.DOWNSTREAM.write(judge((name, dataset), study, stored, people, rules), out)


if __name__ == "__main__":
    call(refit)
