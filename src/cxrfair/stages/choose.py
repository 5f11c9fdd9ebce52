"""Validation scores of all draws of a variant's settings to the settings it is trained with."""

import json
from pathlib import Path

from cxrfair import tables
from cxrfair.files import write_text
from cxrfair.selection import choose as judge
from cxrfair.stages._cli import as_json, call
from cxrfair.statistics.panels import joined
from cxrfair.studies import Study


def choose(
    *,
    name: str,
    study: Study,
    rule: str,
    predictions: tuple[Path, ...],
    settings: tuple[Path, ...],
    cohort: Path,
    search: Path,
    chosen: Path,
) -> None:
    """Choose a draw; `study` is of one data set and one variant, files are in the same order."""
    drawn, scores = {}, {}
    for path, scored in zip(settings, predictions, strict=True):
        said = json.loads(path.read_text(encoding="utf-8"))
        number = said.pop("draw")
        drawn[number], scores[number] = said, tables.PREDICTIONS.read(scored)
    found = judge(study, scores, tables.COHORT.read(cohort), rule)
    broken = [drawn[number].pop("note") or "" for number in found["draw"]]
    notes = joined(broken, found["note"].fillna(""))
    place = {"study": name, "dataset": study.datasets[0], "variant": study.reference, "rule": rule}
    values = [json.dumps(drawn[number], sort_keys=True) for number in found["draw"]]
    rows = found.assign(**place, settings=values, note=notes)
    tables.SEARCH.write(rows, search)
    write_text(chosen, as_json(drawn[int(found.loc[found["chosen"], "draw"].item())]))


if __name__ == "__main__":
    call(choose)
