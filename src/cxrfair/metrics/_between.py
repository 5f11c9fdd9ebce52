"""How a metric's values in several groups become one number."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxrfair.metrics._metric import Array, Metric


@dataclass(frozen=True)
class Form:
    """A comparison of groups: `compute(values, metric)` takes values (groups, ...) without NaN.

    A form with `directed` exists only for metrics of which one direction is better.
    """

    compute: Callable[[Array, Metric], Array]
    title: str
    directed: bool


def gap(values: Array, metric: Metric) -> Array:
    """Return the largest value less the smallest, whatever the direction."""
    del metric
    return np.asarray(values.max(axis=0) - values.min(axis=0))


def worst(values: Array, metric: Metric) -> Array:
    """Return the value of the group that is worst off, by the metric's direction."""
    return np.asarray(values.min(axis=0) if metric.better == "higher" else values.max(axis=0))


FORMS = {
    "gap": Form(gap, title="{} gap", directed=False),
    "worst": Form(worst, title="Worst-group {}", directed=True),
}


def split_name(name: str) -> tuple[str, str | None]:
    """Take `auroc_gap` apart into `auroc` and `gap`; a plain metric has no form."""
    base, _, form = name.rpartition("_")
    return (base, form) if form in FORMS else (name, None)
