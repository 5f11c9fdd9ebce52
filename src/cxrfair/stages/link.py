"""Records, and what other data sets hold on their patients and images, to linked records."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.cohort import flow as flows
from cxrfair.cohort.link import LinkConfig, annotate, combine
from cxrfair.cohort.link import link as link_records
from cxrfair.cohort.sdoh import SdohConfig, attach
from cxrfair.stages._cli import call


def link(
    *,
    records: Path,
    annotations: Path,
    patients: tuple[Path, ...],
    stays: tuple[Path, ...],
    residences: tuple[Path, ...],
    values: tuple[Path, ...],
    marks: tuple[Path, ...],
    notes: tuple[Path, ...],
    config: LinkConfig,
    sdoh: SdohConfig,
    linked: Path,
    linked_annotations: Path,
    flow: Path,
) -> None:
    """Link every image to its hospital stay, its patient's home and its annotations.

    Without hospital stays the records keep the demographics of their own source, and without homes
    they get no SDOH values.
    """
    found = tables.RECORDS.read(records)
    steps = [_as_noted(notes, found)]
    if patients or stays:
        people, visits = _all(tables.PATIENTS, patients), _all(tables.STAYS, stays)
        found, more = link_records(found, people, visits, config)
        steps.append(more)
    if residences or values:
        homes, places = _all(tables.RESIDENCES, residences), _all(tables.SURROUNDINGS, values)
        found, more = attach(found, homes, places, sdoh)
        steps.append(more)
    own, others = tables.ANNOTATIONS.read(annotations), map(tables.ANNOTATIONS.read, marks)
    drawn, more = annotate(found, own, list(others))
    tables.RECORDS.write(found, linked)
    tables.ANNOTATIONS.write(drawn, linked_annotations)
    tables.FLOW.write(flows.join(*steps, more), flow)


def _all(table: tables.Table, paths: tuple[Path, ...]) -> pd.DataFrame:
    """Read one table's rows from all sources."""
    return combine(table, [table.read(path) for path in paths])


def _as_noted(notes: tuple[Path, ...], records: pd.DataFrame) -> pd.DataFrame:
    """Make a step of what the sources' rules did, if anything."""
    counts: Counter[str] = Counter()
    for path in notes:
        counts.update(json.loads(path.read_text(encoding="utf-8")))
    flow = flows.Flow()
    if said := flows.noted(counts):
        flow.step("as the linked sources' rules say", records, records, said)
    return flow.table()


if __name__ == "__main__":
    call(link)
