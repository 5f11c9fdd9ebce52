"""Thresholds that turn scores into decisions, fitted on validation alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Array = NDArray[np.float64]
Goal = Callable[[Array, Array, Array], Array]
FOLD = "validation"
ALL = "all"  # the group of a threshold that holds for every image
SETTINGS: Mapping[str, str] = {"fixed": "value", "fpr_at": "target"}  # the rules that have one


class ThresholdError(CxrfairError):
    """A threshold would have been fitted on images that it must not see."""


class ThresholdConfig(Section):
    """Section `threshold` of params.yaml: a rule, and the setting of a rule that has one.

    `fixed` takes `value`, the threshold of every label. `fpr_at` takes `target`, the share of the
    negatives that may be called positive at most. A setting of another rule is an error.
    """

    rule: Literal["fixed", "max_f1", "youden", "fpr_at"]
    value: Annotated[float, Field(ge=0, le=1)] | None = None
    target: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _settings_are_of_the_rule(self) -> Self:
        wanted = SETTINGS.get(self.rule)
        if wanted is not None and getattr(self, wanted) is None:
            raise ValueError(f"rule {self.rule!r} needs a number {wanted!r}")
        unused = sorted(self.model_fields_set - {"rule", wanted})
        if unused:
            raise ValueError(f"rule {self.rule!r} does not use {unused[0]!r}; leave it out")
        return self


@dataclass(frozen=True)
class _Rule:
    """A rule that looks at scores: what it makes as large as can be, and when it says nothing.

    `goal(tp, fp, target)` gives one number for each cut, -inf where the cut is not allowed.
    `undefined(target)` gives the reason why there is no threshold, or None.
    """

    goal: Goal
    undefined: Callable[[Array], str | None]


def fit(validation: pd.DataFrame, config: ThresholdConfig) -> pd.DataFrame:
    """Choose one threshold a label; an image is called positive if its score is at least that.

    `fixed` takes the value of its section. `max_f1` maximises F1, `youden` TPR - FPR (Youden 1950).
    `fpr_at` takes the lowest score at which the FPR is not above `target`: the highest TPR to be
    had at that FPR. Only scores that occur are candidates; the highest of equally good ones is
    taken.

    Parameters
    ----------
    validation
        Rows of `tables.PREDICTIONS`, of the validation fold only. Rows without target or without
        score are left out, and counted in the note.

    Returns
    -------
    DataFrame
        Rows of `tables.THRESHOLDS`, one a label, of group `all` and with a share of 1; the value
        is empty, with a note, where the rule is undefined:
        `max_f1` without positives, `youden` with one class, `fpr_at` without negatives or where
        the images of the highest score alone exceed the target.

    Raises
    ------
    ThresholdError
        If a row belongs to another fold.
    """
    refuse_others(validation)
    return stack(_fit_label(str(label), of, config) for label, of in validation.groupby("label"))


def refuse_others(validation: pd.DataFrame) -> None:
    """Stop at rows of another fold.

    Raises
    ------
    ThresholdError
        Naming the first of those folds.
    """
    others = validation[validation["fold"] != FOLD]
    if len(others):
        first = others.iloc[0]
        raise ThresholdError(
            f"thresholds.fold: {first['fold']!r}; allowed: {FOLD} ({len(others)} rows)"
        )


def stack(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Make rows of `tables.THRESHOLDS` of records."""
    return pd.DataFrame(list(rows), columns=list(_COLUMNS)).astype(_COLUMNS)


def _fit_label(label: str, rows: pd.DataFrame, config: ThresholdConfig) -> dict[str, object]:
    """Make the row of one label."""
    whole = {"label": label, "group": ALL, "part": 0, "share": 1.0, "rule": config.rule}
    if config.rule == "fixed":
        found: dict[str, object] = {"value": config.value, "fitted_on": "nothing", "note": None}
        return {**whole, "n": 0, "n_positive": 0, **found}
    judged = rows.dropna(subset=["target", "score"])
    target = judged["target"].to_numpy(np.float64)
    rule = _rule(config)
    value, why = np.nan, rule.undefined(target)
    if why is None:
        value = _best(target, judged["score"].to_numpy(np.float64), rule.goal)
        why = "the highest score alone exceeds the target FPR" if np.isnan(value) else None
    return {
        **whole,
        "value": value,
        "fitted_on": FOLD,
        "n": len(target),
        "n_positive": int(target.sum()),
        "note": "; ".join(note for note in (why, left_out(rows)) if note) or None,
    }


def left_out(rows: pd.DataFrame) -> str | None:
    """Count the images that nothing could be learnt from."""
    no_target = rows["target"].isna()
    counts = {"target": no_target.sum(), "score": (rows["score"].isna() & ~no_target).sum()}
    said = ", ".join(f"{n} without {what}" for what, n in counts.items() if n)
    return f"left out: {said}" if said else None


def _best(target: Array, score: Array, goal: Goal) -> float:
    """Return the score at which `goal(tp, fp, target)` is largest; the highest such score.

    NaN where no cut is allowed.
    """
    order = np.argsort(-score, kind="stable")
    ranked, tp = score[order], np.cumsum(target[order])
    fp = np.arange(1, len(score) + 1) - tp
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # tied scores act together
    reached = goal(tp[last], fp[last], target)
    best = np.argmax(reached)
    return float(ranked[last[best]]) if np.isfinite(reached[best]) else np.nan


def _f1(tp: Array, fp: Array, target: Array) -> Array:
    """Return F1 of calling tp + fp images positive."""
    return np.asarray(2 * tp / (tp + fp + target.sum()))


def _youden(tp: Array, fp: Array, target: Array) -> Array:
    """Return TPR - FPR (Youden 1950), over a common denominator so that ties are exact."""
    n_positive = target.sum()
    return np.asarray(tp * (len(target) - n_positive) - fp * n_positive)


def _under_fpr(target_fpr: float) -> Goal:
    """Make the goal of the lowest allowed score: most images called, at an FPR not above target.

    The lowest such score has the highest TPR among them (Neyman & Pearson 1933: the most power
    under a bound on false alarms).
    """

    def called(tp: Array, fp: Array, target: Array) -> Array:
        share = fp / (len(target) - target.sum())
        return np.where(share <= target_fpr, tp + fp, -np.inf)

    return called


def _no_positives(target: Array) -> str | None:
    """Say why F1 cannot be maximised."""
    return None if target.any() else f"no positives in {FOLD}"


def _no_negatives(target: Array) -> str | None:
    """Say why there is no FPR."""
    return None if (target == 0).any() else f"no negatives in {FOLD}"


def _one_class(target: Array) -> str | None:
    """Say why Youden's index cannot be maximised."""
    both = target.any() and not target.all()
    return None if both else f"needs a positive and a negative in {FOLD}"


_RULES = {"max_f1": _Rule(_f1, _no_positives), "youden": _Rule(_youden, _one_class)}


def _rule(config: ThresholdConfig) -> _Rule:
    """Return the rule of a section that is not `fixed`."""
    if config.target is not None:
        return _Rule(_under_fpr(config.target), _no_negatives)
    return _RULES[config.rule]


_COLUMNS = {
    "label": "str",
    "group": "str",
    "part": "int32",
    "value": "float64",
    "share": "float64",
    "rule": "str",
    "fitted_on": "str",
    "n": "int64",
    "n_positive": "int64",
    "note": "str",
}
