"""Panels: one label's results of many models, side by side, and how they are combined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import metrics
from cxrfair.metrics import Metric
from cxrfair.statistics.cells import ALL, BETWEEN, Cell
from cxrfair.statistics.estimates import Judged, Sample, compare, estimate, mean_of_defined
from cxrfair.statistics.intervals import percentile, wilson
from cxrfair.tables import UNKNOWN

Array = NDArray[np.float64]
Notes = NDArray[np.object_]
MEAN = "mean"  # the label of macro means over labels


@dataclass(frozen=True)
class Panel:
    """One row of `places` (k) each, with the models' values beneath.

    `draws` (..., k, 1 + resamples), entry 0 being the sample itself; `trials` (..., k), images in
    the denominator of a rate, else NaN; `notes` (..., k), why a value is undefined and the like.
    """

    places: pd.DataFrame
    draws: Array
    trials: Array
    notes: Notes

    @property
    def value(self) -> Array:
        """Return the values in the sample itself, (..., k)."""
        return np.asarray(self.draws[..., 0])

    def intervals(self, confidence: float, smallest: int) -> tuple[Array, Array, Notes]:
        """Return low, high and what is to be said of them, each (..., k).

        Percentiles of the resamples; for rates of fewer than `smallest` images Wilson's interval.
        """
        low, high = percentile(self.draws[..., 1:], confidence)
        sparse = (self.trials > 0) & (self.trials < smallest) & ~np.isnan(self.value)
        wilson_low, wilson_high = wilson(self.value, self.trials, confidence)
        undefined = np.isnan(self.draws[..., 1:]).sum(axis=-1)
        said = np.full(self.value.shape, "", object)
        for place in zip(*np.nonzero((undefined > 0) & ~np.isnan(self.value)), strict=True):
            said[place] = f"undefined in {undefined[place]} of {self.draws.shape[-1] - 1} resamples"
        for place in zip(*np.nonzero(sparse), strict=True):
            said[place] = f"Wilson interval: rate of {self.trials[place]:g} images"
        return np.where(sparse, wilson_low, low), np.where(sparse, wilson_high, high), said

    def over_seeds(self, n_seeds: int) -> tuple["Panel", Array, NDArray[np.int_]]:
        """Average models (variants * seeds, ...) over seeds; also give SD over seeds and number."""
        split = (-1, n_seeds)
        draws = self.draws.reshape(*split, *self.draws.shape[1:])
        defined = ~np.isnan(draws[..., 0])
        number = defined.sum(axis=1)
        mean = mean_of_defined(draws, axis=1)
        square = np.where(defined, (draws[..., 0] - mean[:, None, :, 0]) ** 2, 0.0).sum(axis=1)
        spread = np.where(number > 1, np.sqrt(square / np.maximum(number - 1, 1)), np.nan)
        trials = self.trials.reshape(*split, len(self.places)).mean(axis=1)
        notes = self.notes.reshape(*split, len(self.places))
        said = np.array([[join(*column) for column in of.T] for of in notes], object)
        return Panel(self.places, mean, trials, said.reshape(mean.shape[:2])), spread, number


def of_label(
    label: str, sample: Sample, judged: Judged, names: Sequence[str], counts: NDArray[np.uint16]
) -> Panel:
    """Compute one label's metrics in every cell, then between the cells of each attribute."""
    draws, trials = estimate(sample, judged, [metrics.get(name) for name in names], counts)
    described = _describe(sample, sample.cells)
    between = _describe(sample, _unions(sample.cells))
    parts = []
    for i, name in enumerate(names):
        named = described.assign(metric=name, label=label)
        notes = _why_undefined(metrics.get(name), draws[:, i, :, 0], judged.threshold)
        parts.append(Panel(named, draws[:, i], trials[:, i], notes))
        parts += _between(name, parts[-1], between)
    return concat(parts)


def mean_over_labels(panels: Sequence[Panel], sample: Sample) -> Panel:
    """Average over labels what is defined, for all images and between groups.

    `sample` holds the images that are judged for any label, positive if they are for any.
    """
    places = panels[0].places
    kept = np.flatnonzero(places["attribute"].eq(ALL) | places["group"].eq(BETWEEN))
    draws = np.stack([panel.draws[:, kept] for panel in panels])
    undefined = np.isnan(draws[..., 0]).sum(axis=0)
    notes = np.full(undefined.shape, "", object)
    for place in zip(*np.nonzero(undefined), strict=True):
        notes[place] = f"{undefined[place]} of {len(panels)} labels undefined and left out"
    counted = _describe(sample, [sample.cells[0], *_unions(sample.cells)])
    named = places.iloc[kept][["metric", "attribute", "group"]].assign(label=MEAN)
    merged = named.merge(counted, on=["attribute", "group"], how="left", validate="many_to_one")
    trials = np.full(undefined.shape, np.nan)
    return Panel(merged, mean_of_defined(draws, axis=0), trials, notes)


def concat(panels: Sequence[Panel]) -> Panel:
    """Set panels of the same models beside one another."""
    return Panel(
        pd.concat([panel.places for panel in panels], ignore_index=True),
        np.concatenate([panel.draws for panel in panels], axis=-2),
        np.concatenate([panel.trials for panel in panels], axis=-1),
        np.concatenate([panel.notes for panel in panels], axis=-1),
    )


def join(*notes: str) -> str:
    """Say each note once."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _describe(sample: Sample, cells: Sequence[Cell]) -> pd.DataFrame:
    """Name cells and count what is in them, one row each."""
    rows = [
        {
            "attribute": cell.attribute,
            "group": cell.group,
            "n": len(cell.rows),
            "n_positive": int(sample.target[cell.rows].sum()),
            "n_patients": len(np.unique(sample.patient[cell.rows])),
        }
        for cell in cells
    ]
    return pd.DataFrame(rows, columns=["attribute", "group", "n", "n_positive", "n_patients"])


def _unions(cells: Sequence[Cell]) -> list[Cell]:
    """Join the known groups of each attribute: what a comparison between them is about."""
    known: dict[str, list[NDArray[np.intp]]] = {}
    for cell in cells:
        if cell.attribute != ALL:
            rows = cell.rows if cell.group != UNKNOWN else cell.rows[:0]
            known.setdefault(cell.attribute, []).append(rows)
    return [Cell(attribute, BETWEEN, np.concatenate(rows)) for attribute, rows in known.items()]


def _why_undefined(metric: Metric, value: Array, threshold: Array) -> Notes:
    """Give a reason for each NaN of `value` (models, cells)."""
    no_threshold = np.isnan(threshold)[:, None] & (metric.needs == "counts")
    reason = np.where(no_threshold, "no threshold: undefined on validation", metric.undefined)
    return np.where(np.isnan(value), reason, "").astype(object)


def _between(name: str, inside: Panel, unions: pd.DataFrame) -> Iterator[Panel]:
    """Compare the known groups of each attribute in every form that has a meaning."""
    metric, places = metrics.get(name), inside.places
    forms = {k: f for k, f in metrics.FORMS.items() if metric.better or not f.directed}
    for position, attribute in enumerate(unions["attribute"]):
        known = (places["attribute"] == attribute) & (places["group"] != UNKNOWN)
        rows = np.flatnonzero(known)
        notes = [_left_out(places["group"].iloc[rows], of[rows, 0]) for of in inside.draws]
        for key, form in forms.items():
            draws = np.stack([compare(of[rows], metric, form) for of in inside.draws])
            row = unions.iloc[[position]].assign(
                metric=f"{name}_{key}", label=places["label"].iloc[0]
            )
            trials = np.full((len(draws), 1), np.nan)
            yield Panel(row, draws[:, None], trials, np.array(notes, object)[:, None])


def _left_out(group: pd.Series, value: Array) -> str:
    """Name the groups that do not enter a comparison."""
    missing = group[np.isnan(value)].tolist()
    if len(group) - len(missing) < 2:
        return f"fewer than two of {len(group)} groups defined"
    return f"undefined and left out: {', '.join(missing)}" if missing else ""
