"""What the trials of variants come to: their mean, how far they spread, and what they differ by."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.statistics.intervals import percentile
from cxrfair.statistics.panels import join
from cxrfair.studies import Study

Array = NDArray[np.float64]
ENDS = ("difference", "difference_low", "difference_high")
KEYS = ("dataset", "attribute", "metric", "variant")
COLUMNS = (*KEYS, "value", "ci_low", "ci_high", "variance", "n_trials", *ENDS, "note")


def over_trials(rows: pd.DataFrame, study: Study, confidence: float) -> pd.DataFrame:
    """Summarise trials by data set, attribute, metric and variant.

    Parameters
    ----------
    rows
        Rows of `tables.TRIALS`.
    study
        It says which variant another's differences are from: of the same trial of the same seed
        where both have as many trials, and from its one trial where it has but one. Where both have
        several and not as many, the difference is one of means, without an interval.

    Returns
    -------
    DataFrame
        `value`, a mean; `ci_low` and `ci_high`, percentiles over trials; `trial_sd` (ddof 1);
        `n_trials`, `difference`, `difference_low`, `difference_high` and `note`. All within a
        seed; over seeds means, the root of the mean variance, and the lowest and highest end. No
        spread and no interval of one trial.
    """
    found = []
    ordered = rows.sort_values("trial", kind="stable")
    for place, here in ordered.groupby(["dataset", "attribute", "metric"], sort=False):
        each = dict(iter(here.groupby(["variant", "seed"], sort=False)))
        values = {key: np.asarray(of["value"], np.float64) for key, of in each.items()}
        for (variant, seed), of in each.items():
            own = values[variant, seed]
            other = values.get((study.compared_with(str(variant)), seed))
            line = {**_spread(own, confidence), **_away(own, other, confidence)}
            line["note"] = join(*of["note"].dropna(), line["note"]) or None
            found.append({**dict(zip(KEYS, (*place, variant), strict=True)), **line})
    return _over_seeds(pd.DataFrame(found, columns=list(COLUMNS)))


def _over_seeds(each: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of a variant's seeds."""
    found = each.groupby(list(KEYS), as_index=False, sort=False).agg(
        value=("value", "mean"),
        ci_low=("ci_low", "min"),
        ci_high=("ci_high", "max"),
        trial_sd=("variance", "mean"),
        n_trials=("n_trials", "sum"),
        difference=("difference", "mean"),
        difference_low=("difference_low", "min"),
        difference_high=("difference_high", "max"),
        note=("note", lambda of: join(*of.dropna()) or None),
    )
    return found.assign(trial_sd=np.sqrt(found["trial_sd"].astype("float64")))


def _spread(values: Array, confidence: float) -> dict[str, Any]:
    """Summarise the trials (t,) of one seed."""
    low, high = _ends(values, confidence)
    variance = values.var(ddof=1) if len(values) > 1 else np.nan
    ends = {"ci_low": low, "ci_high": high, "variance": variance}
    return {"value": values.mean(), **ends, "n_trials": len(values)}


def _away(values: Array, other: Array | None, confidence: float) -> dict[str, Any]:
    """Compare the trials of one seed with those of another variant."""
    if other is None:
        return {**dict.fromkeys(ENDS, np.nan), "note": ""}
    if len(values) == len(other) or 1 in (len(values), len(other)):
        away = values - other
        return {**dict(zip(ENDS, (away.mean(), *_ends(away, confidence)), strict=True)), "note": ""}
    nothing = dict.fromkeys(ENDS, np.nan)
    said = (
        f"difference of means: {len(values)} trials here, {len(other)} of what it is compared with"
    )
    return {**nothing, "difference": values.mean() - other.mean(), "note": said}


def _ends(values: Array, confidence: float) -> tuple[float, float]:
    """Return the percentiles between which trials (t,) lie; NaN of one trial."""
    if len(values) == 1:
        return np.nan, np.nan
    low, high = percentile(values, confidence)
    return float(low), float(high)
