"""Panels: one label's results of many models, side by side, and how they are combined."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.statistics.estimates import mean_of_defined
from cxrfair.statistics.intervals import percentile, wilson
from cxrfair.statistics.uncertainty import Uncertainty

Array = NDArray[np.float64]
Notes = NDArray[np.object_]


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

    def some(self, rows: NDArray[np.intp]) -> "Panel":
        """Return the rows at these positions."""
        return Panel(
            self.places.iloc[rows].reset_index(drop=True),
            self.draws[..., rows, :],
            self.trials[..., rows],
            self.notes[..., rows],
        )

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
            said[place] = f"Wilson interval: rate of {self.trials[place]:.4g} images"
        return np.where(sparse, wilson_low, low), np.where(sparse, wilson_high, high), said

    def beside(self, reference: Array | None, uncertainty: Uncertainty) -> pd.DataFrame:
        """Return the places with value, interval, difference and note of one model (k rows).

        The difference is from the `draws` (k, 1 + resamples) of another model on the same
        resamples, and has an interval of its own; NaN without one.
        """
        low, high, said = self.intervals(uncertainty.confidence, uncertainty.min_group_size)
        away = np.full_like(self.draws, np.nan) if reference is None else self.draws - reference
        apart = percentile(away[:, 1:], uncertainty.confidence)
        return self.places.assign(
            **{"value": self.value, "ci_low": low, "ci_high": high, "difference": away[:, 0]},
            **{"difference_low": apart[0], "difference_high": apart[1]},
            note=joined(self.notes, said),
        )

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


def mean_over(panels: Sequence[Panel], places: pd.DataFrame) -> Panel:
    """Average panels of the same rows over labels, of each row what is defined.

    `places` describes the rows of the mean.
    """
    draws = np.stack([panel.draws for panel in panels])
    undefined = np.isnan(draws[..., 0]).sum(axis=0)
    notes = np.full(undefined.shape, "", object)
    for place in zip(*np.nonzero(undefined), strict=True):
        notes[place] = f"{undefined[place]} of {len(panels)} labels undefined and left out"
    trials = np.full(undefined.shape, np.nan)
    return Panel(places, mean_of_defined(draws, axis=0), trials, notes)


def joined(*columns: Iterable[str]) -> Notes:
    """Join notes row by row; None where there is nothing to say."""
    return np.array([join(*row) or None for row in zip(*columns, strict=True)], object)


def join(*notes: str) -> str:
    """Say each note once."""
    return "; ".join(dict.fromkeys(note for note in notes if note))
