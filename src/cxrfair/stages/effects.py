"""What models say of pictures made under interventions to the effects of attributes."""

from pathlib import Path
from typing import Any

from cxrfair import tables
from cxrfair.effects import measure
from cxrfair.stages._cli import call
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study


def effects(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    thresholds: tuple[Path, ...],
    answers: Path,
    cohort: Path,
    uncertainty: Uncertainty,
    out: Path,
) -> None:
    """Measure every model; `models` names variant and seed of the thresholds in their order."""
    cuts = {
        (str(variant), int(seed)): tables.THRESHOLDS.read(path)
        for (variant, seed), path in zip(models, thresholds, strict=True)
    }
    people, said = tables.COHORT.read(cohort), tables.ANSWERS.read(answers)
    found = measure((name, dataset), study, said, cuts, people, uncertainty)
    tables.EFFECTS.write(found, out)


if __name__ == "__main__":
    call(effects)
