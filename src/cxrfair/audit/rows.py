"""Panels to rows of tables: values with their intervals, differences, and what is said of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import comparisons, metrics
from cxrfair.audit.config import AuditConfig
from cxrfair.evidence import Model
from cxrfair.statistics import panels
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.intervals import percentile
from cxrfair.statistics.multiplicity import paired_p
from cxrfair.statistics.panels import Panel
from cxrfair.studies import Study
from cxrfair.tables import UNKNOWN

Array = NDArray[np.float64]
COMPARED = (
    *("difference", "difference_low", "difference_high", "p_value"),
    *("reduction", "reduction_low", "reduction_high"),
)


def each_model(panel: Panel, keys: Sequence[Model], config: AuditConfig) -> list[pd.DataFrame]:
    """Make rows of METRICS, without study and data set."""
    low, high, said = panel.intervals(config.confidence, config.min_group_size)
    small = _small(panel.places, config.min_group_size)
    return [
        panel.places.assign(
            variant=key.variant,
            seed=key.seed,
            value=panel.value[i],
            ci_low=low[i],
            ci_high=high[i],
            note=panels.joined(small, panel.notes[i], said[i]),
        )
        for i, key in enumerate(keys)
    ]


def summary(panel: Panel, study: Study, config: AuditConfig) -> list[pd.DataFrame]:
    """Make rows of SUMMARY, without study and data set."""
    mean, spread, number = panel.over_seeds(len(study.seeds))
    low, high, said = mean.intervals(config.confidence, config.min_group_size)
    small = _small(panel.places, config.min_group_size)
    place = {variant: row for row, variant in enumerate(study.variants)}
    rows = []
    for i, variant in enumerate(study.variants):
        row = panel.places.assign(
            variant=variant,
            value=mean.value[i],
            ci_low=low[i],
            ci_high=high[i],
            seed_sd=spread[i],
            n_seeds=number[i],
            note=panels.joined(small, mean.notes[i], said[i]),
        )
        other = study.compared_with(variant)
        beside = mean.draws[place[other]] if other else None
        rows.append(row.assign(**_against(mean.draws[i], beside, panel.places, config)))
    return rows


def _against(
    draws: Array, reference: Array | None, places: pd.DataFrame, config: AuditConfig
) -> dict[str, Array]:
    """Compare a variant's draws (k, 1 + b) with another's on the same resamples."""
    if reference is None:
        return dict.fromkeys(COMPARED, np.full(len(draws), np.nan))
    difference = draws - reference
    smaller = _is_less_better(places)[:, None] & (reference > 0)
    reduction = np.full(draws.shape, np.nan)
    np.divide(-difference, reference, out=reduction, where=smaller)
    found = {"p_value": paired_p(difference)}
    for name, values in (("difference", difference), ("reduction", reduction)):
        found[name] = values[:, 0]
        undefined = np.isnan(values[:, 0])
        low, high = percentile(values[:, 1:], config.confidence)
        found[f"{name}_low"] = np.where(undefined, np.nan, low)
        found[f"{name}_high"] = np.where(undefined, np.nan, high)
    return found


def _is_less_better(places: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which rows compare groups in a way of which less is better: those can be reduced."""
    between = places["group"].eq(BETWEEN)
    known = {name: _better(name) == "lower" for name in places.loc[between, "metric"].unique()}
    return (between & places["metric"].map(known).eq(True)).to_numpy(bool)


def _better(name: str) -> str | None:
    """Return the better direction of a comparison of groups."""
    if name in comparisons.names():
        return comparisons.get(name).better
    metric, form = metrics.split_name(name)
    return metrics.FORMS[str(form)].better or metrics.get(metric).better


def _small(places: pd.DataFrame, smallest: int) -> NDArray[np.object_]:
    """Flag small groups, and comparisons that small groups enter."""
    few = places["n"].between(1, smallest - 1)  # without any there is no value either
    members = places[few & ~places["group"].isin([ALL, BETWEEN, UNKNOWN])]
    entering = members.groupby("attribute")["group"].unique()
    notes = np.where(few, f"fewer than {smallest} images", "").astype(object)
    between = (places["group"] == BETWEEN) & places["attribute"].isin(entering.index)
    for row in np.flatnonzero(between):
        names = ", ".join(entering[places["attribute"].iloc[row]])
        notes[row] = panels.join(notes[row], f"enters with fewer than {smallest} images: {names}")
    return notes
