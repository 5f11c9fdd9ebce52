"""What a model is trained on: one strategy a file, found by file name."""

from cxrfair.rebalance._coverage import coverage
from cxrfair.rebalance._members import members
from cxrfair.rebalance._strategy import (
    RebalanceError,
    Strategy,
    get,
    names,
    reads_annotations,
    reads_features,
)

__all__ = [
    "RebalanceError",
    "Strategy",
    "coverage",
    "get",
    "members",
    "names",
    "reads_annotations",
    "reads_features",
]
