"""Annotations of several data sets, as they are or as they should be, to those of their pool."""

from pathlib import Path
from typing import Any

from cxrfair import pools, tables
from cxrfair.stages._cli import call
from cxrfair.stages.pool import read


def pool_outlines(
    *, names: tuple[Any, ...], annotations: tuple[Path, ...], pooled_annotations: Path
) -> None:
    """Pool the annotations of the members `names`, whose files are in that order."""
    found = pools.annotations(read(tables.ANNOTATIONS, names, annotations))
    tables.ANNOTATIONS.write(found, pooled_annotations)


if __name__ == "__main__":
    call(pool_outlines)
