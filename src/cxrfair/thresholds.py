"""Thresholds that turn scores into decisions, fitted on validation alone."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Array = NDArray[np.float64]
FOLD = "validation"


class ThresholdError(CxrfairError):
    """A threshold would have been fitted on images that it must not see."""


class ThresholdConfig(Section):
    """Section `threshold` of params.yaml."""

    rule: Literal["fixed", "max_f1", "youden"]
    fixed: Annotated[float, Field(ge=0, le=1)]


def fit(validation: pd.DataFrame, config: ThresholdConfig) -> pd.DataFrame:
    """Choose one threshold a label; an image is called positive if its score is at least that.

    Parameters
    ----------
    validation
        Rows of `tables.PREDICTIONS`, of the validation fold only.

    Returns
    -------
    DataFrame
        Rows of `tables.THRESHOLDS`; the value is empty, with a note, where the rule is undefined.

    Raises
    ------
    ThresholdError
        If a row belongs to another fold.
    """
    others = validation[validation["fold"] != FOLD]
    if len(others):
        first = others.iloc[0]
        raise ThresholdError(
            f"thresholds.fold: {first['fold']!r}; allowed: {FOLD} ({len(others)} rows)"
        )
    rows = [_fit_label(str(label), of, config) for label, of in validation.groupby("label")]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _fit_label(label: str, rows: pd.DataFrame, config: ThresholdConfig) -> dict[str, object]:
    """Make the row of one label."""
    if config.rule == "fixed":
        found: dict[str, object] = {"value": config.fixed, "fitted_on": "nothing", "note": None}
        return {"label": label, "rule": config.rule, "n": 0, "n_positive": 0, **found}
    judged = rows.dropna(subset=["target"])
    target = judged["target"].to_numpy(np.float64)
    note, value = _UNDEFINED[config.rule](target), np.nan
    if note is None:
        value = _best(target, judged["score"].to_numpy(np.float64), _GOALS[config.rule])
    return {
        "label": label,
        "value": value,
        "rule": config.rule,
        "fitted_on": FOLD,
        "n": len(target),
        "n_positive": int(target.sum()),
        "note": note,
    }


def _best(target: Array, score: Array, goal: Callable[[Array, Array, Array], Array]) -> float:
    """Return the score at which `goal(tp, fp, target)` is largest; the highest such score."""
    order = np.argsort(-score, kind="stable")
    ranked, tp = score[order], np.cumsum(target[order])
    fp = np.arange(1, len(score) + 1) - tp
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # tied scores act together
    return float(ranked[last[np.argmax(goal(tp[last], fp[last], target))]])


def _f1(tp: Array, fp: Array, target: Array) -> Array:
    """Return F1 of calling tp + fp images positive."""
    return np.asarray(2 * tp / (tp + fp + target.sum()))


def _youden(tp: Array, fp: Array, target: Array) -> Array:
    """Return TPR - FPR (Youden 1950), over a common denominator so that ties are exact."""
    n_positive = target.sum()
    return np.asarray(tp * (len(target) - n_positive) - fp * n_positive)


def _no_positives(target: Array) -> str | None:
    """Say why F1 cannot be maximised."""
    return None if target.any() else f"no positives in {FOLD}"


def _one_class(target: Array) -> str | None:
    """Say why Youden's index cannot be maximised."""
    both = target.any() and not target.all()
    return None if both else f"needs a positive and a negative in {FOLD}"


_GOALS = {"max_f1": _f1, "youden": _youden}
_UNDEFINED = {"max_f1": _no_positives, "youden": _one_class}
_COLUMNS = {
    "label": "str",
    "value": "float64",
    "rule": "str",
    "fitted_on": "str",
    "n": "int64",
    "n_positive": "int64",
    "note": "str",
}
