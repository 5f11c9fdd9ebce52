"""Several data sets of images to one: records, labels, annotations, and what was left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import pools, tables
from cxrfair.errors import CxrfairError
from cxrfair.stages._cli import call


def pool(
    *,
    names: tuple[Any, ...],
    records: tuple[Path, ...],
    labels: tuple[Path, ...],
    annotations: tuple[Path, ...],
    absents: tuple[Path, ...],
    flows: tuple[Path, ...],
    flows_of: tuple[Any, ...],
    pooled_records: Path,
    pooled_labels: Path,
    pooled_annotations: Path,
    pooled_absent: Path,
    pooled_flow: Path,
) -> None:
    """Pool the members `names`, whose files are in that order.

    `flows_of` names the member of each of `flows`, of which a member has one a stage, in order.
    """
    made = (
        (tables.RECORDS, records, pools.records, pooled_records),
        (tables.LABELS, labels, pools.labels, pooled_labels),
        (tables.ANNOTATIONS, annotations, pools.annotations, pooled_annotations),
        (tables.ABSENT, absents, pools.absent, pooled_absent),
    )
    for table, paths, join, pooled in made:
        table.write(join(read(table, names, paths)), pooled)
    if len(flows) != len(flows_of) or {*flows_of} != {*names}:
        raise CxrfairError(
            f"pool: {len(flows)} flows of {list(flows_of)}; allowed: one or more of each member"
        )
    steps: dict[str, list[pd.DataFrame]] = {str(name): [] for name in names}
    for name, path in zip(flows_of, flows, strict=True):
        steps[name].append(tables.FLOW.read(path))
    tables.FLOW.write(pools.flow(steps), pooled_flow)


def read(
    table: tables.Table, names: Sequence[str], paths: Sequence[Path]
) -> dict[str, pd.DataFrame]:
    """Read a table of every member."""
    if len(names) != len(paths):
        raise CxrfairError(f"pool: {len(paths)} {table.name} of {len(names)} members; one each")
    return {name: table.read(path) for name, path in zip(names, paths, strict=True)}


if __name__ == "__main__":
    call(pool)
