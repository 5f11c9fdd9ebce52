"""One file per data set, reading its original layout untouched; found by file name."""

from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import (
    SIMULATED_BELOW,
    Embeddings,
    Encounters,
    Images,
    Layout,
    Marks,
    Read,
    Source,
    Surroundings,
    get,
    labels,
    names,
    options,
    read,
)

__all__ = [
    "SIMULATED_BELOW",
    "Embeddings",
    "Encounters",
    "Images",
    "Layout",
    "Marks",
    "Read",
    "Source",
    "SourceError",
    "Surroundings",
    "get",
    "labels",
    "names",
    "options",
    "read",
]
