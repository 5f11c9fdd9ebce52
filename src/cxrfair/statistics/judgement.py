"""One label judged: every metric in every group, and every comparison of groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import comparisons, metrics
from cxrfair.metrics import Counts, Metric
from cxrfair.statistics.cells import ALL, BETWEEN, Cell, known
from cxrfair.statistics.estimates import Judged, Sample, compare, confusion, estimate
from cxrfair.statistics.panels import Notes, Panel, mean_over

Array = NDArray[np.float64]
MEAN = "mean"  # the label of macro means over labels
PLACE = ("metric", "label", "attribute", "group", "n", "n_positive", "n_patients")


class Asked(NamedTuple):
    """What is asked of a label: names of metrics, of forms that compare groups, of comparisons."""

    metrics: tuple[str, ...]
    forms: tuple[str, ...]
    comparisons: tuple[str, ...]


class Groups(NamedTuple):
    """The known groups of an attribute: all cells described, positions of its own, and them all."""

    places: Sequence[Mapping[str, object]]
    cells: list[int]
    union: Mapping[str, object]

    @property
    def each(self) -> list[Mapping[str, object]]:
        """Return the description of each group."""
        return [self.places[cell] for cell in self.cells]

    @property
    def names(self) -> list[str]:
        """Return the names of the groups."""
        return [str(place["group"]) for place in self.each]


class Row(NamedTuple):
    """One row of a panel before it is one: where, draws (models, 1 + b), trials and notes."""

    place: dict[str, object]
    draws: Array
    trials: Array
    notes: Notes


def of_label(
    label: str, sample: Sample, judged: Judged, asked: Asked, counts: NDArray[np.number]
) -> Panel:
    """Compute one label's metrics in every cell, then between the known cells of each attribute."""
    matrices = confusion(sample, judged, counts)
    chosen = [metrics.get(name) for name in asked.metrics]
    draws, trials = estimate(sample, judged, chosen, counts, matrices)
    places = sample.describe(sample.cells)
    unions = sample.describe(_unions(sample.cells))
    inside = known(sample.cells).values()
    attributes = [Groups(places, *each) for each in zip(inside, unions, strict=True)]
    rows: list[Row] = []
    for i, name in enumerate(asked.metrics):
        notes = _why_undefined(chosen[i], draws[:, i, :, 0], np.isnan(matrices.tp[..., 0]))
        cells = zip(places, np.moveaxis(draws[:, i], 1, 0), trials[:, i].T, notes.T, strict=True)
        rows += [Row({**place, "metric": name}, *of) for place, *of in cells]
        for groups in attributes:
            rows += _forms(name, asked.forms, draws[:, i, groups.cells], groups)
    for groups in attributes:
        rows += _named(asked.comparisons, matrices, groups)
    return _as_panel(rows, label)


def mean_over_labels(panels: Sequence[Panel], sample: Sample) -> Panel:
    """Average over labels what is defined, for all images and between groups.

    `panels` hold what `for_mean` keeps of each label. `sample` holds the images that are judged
    for any label, positive if they are for any.
    """
    counted = sample.describe([*sample.cells[:1], *_unions(sample.cells)])
    named = panels[0].places[["metric", "attribute", "group"]].assign(label=MEAN)
    merged = named.merge(
        pd.DataFrame(counted), on=["attribute", "group"], how="left", validate="many_to_one"
    )
    return mean_over(panels, merged[list(PLACE)])


def for_mean(panel: Panel) -> Panel:
    """Keep the rows that are averaged over labels: of all images, and between groups."""
    kept = panel.places["attribute"].eq(ALL) | panel.places["group"].eq(BETWEEN)
    return panel.some(np.flatnonzero(kept))


def _unions(cells: Sequence[Cell]) -> list[Cell]:
    """Join the known groups of each attribute: what a comparison between them is about."""
    none = np.array([], np.intp)
    return [
        Cell(attribute, BETWEEN, np.concatenate([none, *(cells[i].rows for i in inside)]))
        for attribute, inside in known(cells).items()
    ]


def _why_undefined(metric: Metric, value: Array, undecided: NDArray[np.bool_]) -> Notes:
    """Give a reason for each NaN of `value` (models, cells), as `undecided` is."""
    no_threshold = undecided & (metric.needs == "counts")
    reason = np.where(no_threshold, "no threshold: undefined on validation", metric.undefined)
    return np.where(np.isnan(value), reason, "").astype(object)


def _forms(name: str, forms: Sequence[str], draws: Array, groups: Groups) -> Iterator[Row]:
    """Compare groups, draws (models, groups, 1 + b), in every form that has a meaning."""
    metric = metrics.get(name)
    notes = np.array([_left_out(groups.names, np.isnan(of[:, 0])) for of in draws], object)
    nothing = np.full(len(draws), np.nan)
    for key in forms:
        form = metrics.FORMS[key]
        if form.directed and not metric.better:
            continue
        found = np.stack([compare(of, metric, form) for of in draws])
        each = np.moveaxis(found, 1, 0) if form.each else found[None]
        for place, values in zip(groups.each if form.each else [groups.union], each, strict=True):
            said = np.where(np.isnan(values[:, 0]) & (notes == ""), metric.undefined, notes)
            yield Row({**place, "metric": f"{name}_{key}"}, values, nothing, said)


def _named(names: Sequence[str], matrices: Counts, groups: Groups) -> Iterator[Row]:
    """Compare one attribute's groups as papers do."""
    parts = (matrices.tp, matrices.fp, matrices.tn, matrices.fn)
    models = [Counts(*(part[i, groups.cells] for part in parts)) for i in range(len(matrices.tp))]
    for name in names:
        comparison = comparisons.get(name)
        draws = np.stack([comparison.compute(of) for of in models])
        notes = np.full(len(models), "", object)
        for model in range(len(models)):
            of = Counts(*(part[model, groups.cells, 0] for part in parts))  # the sample alone
            lacking = [np.isnan(metrics.get(part).compute(of)) for part in comparison.of]
            said = _left_out(groups.names, np.any(lacking, axis=0))
            notes[model] = comparison.undefined if np.isnan(draws[model, 0]) else said
        yield Row({**groups.union, "metric": name}, draws, np.full(len(models), np.nan), notes)


def _left_out(groups: Sequence[str], undefined: NDArray[np.bool_]) -> str:
    """Name the groups that do not enter a comparison."""
    missing = [group for group, lacks in zip(groups, undefined, strict=True) if lacks]
    if len(groups) - len(missing) < 2:
        return f"fewer than two of {len(groups)} groups defined"
    return f"undefined and left out: {', '.join(missing)}" if missing else ""


def _as_panel(rows: Sequence[Row], label: str) -> Panel:
    """Set rows beside one another."""
    places = pd.DataFrame([{**row.place, "label": label} for row in rows])
    return Panel(
        places[list(PLACE)],
        np.stack([row.draws for row in rows], axis=1),
        np.stack([row.trials for row in rows], axis=1),
        np.stack([row.notes for row in rows], axis=1),
    )
