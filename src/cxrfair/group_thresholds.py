"""Thresholds of each group that make error rates of groups alike, fitted on validation alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from cxrfair.config import Section
from cxrfair.hashing import stable_hash
from cxrfair.statistics.cells import group_values
from cxrfair.statistics.panels import join
from cxrfair.studies import SEPARATOR, Post
from cxrfair.tables import UNKNOWN
from cxrfair.thresholds import ALL, FOLD, ThresholdError, left_out, refuse_others, stack

Array = NDArray[np.float64]
Point = tuple[float, float]  # FPR, TPR
NEVER, ALWAYS = np.inf, -np.inf  # thresholds that no score reaches, and every one
SEED = "group threshold"
TINY = 1e-12  # rates closer than this are the same: what is left of sums that should be equal


class GroupConfig(Section):
    """What thresholds of groups equalise, and the attributes whose cells the groups are.

    Empty for a variant that has one threshold a label.
    """

    rule: Post | None = None
    groups: tuple[str, ...] = ()


class Hull(NamedTuple):
    """The corners of the convex hull of a group's ROC curve, from (0, 0) to (1, 1), all (k,).

    `value` is the threshold of each: that of the first is reached by no score, that of the last by
    all. `n` and `n_positive` are the images it is made of.
    """

    fpr: Array
    tpr: Array
    value: Array
    n: int
    n_positive: int


class Mixture(NamedTuple):
    """Thresholds (k,), the highest first, and the share of the images that each decides (k,)."""

    value: Array
    share: Array


def fit(
    validation: pd.DataFrame, groups: "pd.Series[str]", rule: Post, fallback: pd.DataFrame
) -> pd.DataFrame:
    """Choose thresholds of each group so that error rates are the same in all (Hardt et al. 2016).

    `equalised_odds`: TPR and FPR are the same in all groups (Definition 2.1). Every group can have
    any point below the convex hull of its ROC curve by drawing between thresholds (Section 4.2);
    of the points below all hulls the one is taken that maximises TPR - FPR (Youden 1950). Each
    group reaches it with at most three thresholds: two neighbouring corners of its hull and, if
    the point is below the hull, one that nobody reaches.

    `equal_opportunity`: TPR t is the same in all groups (Definition 2.2), each on its own hull at
    t, with at most two thresholds. t maximises TPR - FPR of all groups' images together.

    Hardt et al. minimise an expected loss. Its minimum depends on what false positives and false
    negatives cost, which nobody says here, and on prevalence; TPR - FPR is the loss whose costs
    make both classes count the same. Of equally good points the one with the lowest rates is
    taken; where no point is better than chance, nobody is called positive.

    Parameters
    ----------
    validation
        Rows of `tables.PREDICTIONS`, of the validation fold only. Rows without target or without
        score are left out, and counted in the note.
    groups
        Group of each image, by image id: what `groups` gives.
    fallback
        What `thresholds.fit` gives of the same rows: for people of unknown group, of a group that
        validation does not have, or of one whose threshold is undefined.

    Returns
    -------
    DataFrame
        Rows of `tables.THRESHOLDS`: those of `fallback`, and one for each threshold of a group.
        A group without positives or without negatives has no ROC curve: one row without value and
        share, with a note; it enters no equality, and is decided by the row of `all`.

    Raises
    ------
    ThresholdError
        If a row belongs to another fold, or its image to no group.
    """
    refuse_others(validation)
    group = groups.reindex(validation["image_id"])
    lost = int(group.isna().sum())
    if lost:
        raise ThresholdError(
            f"thresholds.group: {lost} of {len(group)} validation rows are of images that are not "
            "in the cohort; allowed: 0"
        )
    named = validation.assign(group=group.to_numpy())
    known = named[named["group"] != UNKNOWN]
    rows = [row for label, of in known.groupby("label") for row in _of_label(str(label), of, rule)]
    return pd.concat([fallback, stack(rows)], ignore_index=True)


def groups(cohort: pd.DataFrame, attributes: Sequence[str]) -> "pd.Series[str]":
    """Name each image's group, the cell of its attributes, by image id (rows of `COHORT`)."""
    named = group_values(cohort, SEPARATOR.join(attributes))
    return pd.Series(named.to_numpy(), index=cohort["image_id"].to_numpy())


def chances(images: Sequence[str], label: str) -> Array:
    """Draw a number in [0, 1] for each image: by its name and the label, the same in every run."""
    drawn = (stable_hash(SEED, image, label) for image in images)
    return np.fromiter(drawn, np.float64, len(images)) / 2**63


def applied(rows: pd.DataFrame, group: Sequence[str], chance: Array) -> Array:
    """Return the threshold of each image (n,), NaN where there is none.

    Parameters
    ----------
    rows
        Rows of `tables.THRESHOLDS` of one label.
    group, chance
        Group of each image (n,), and its draw (`chances`), which decides between a group's parts.
    """
    names, place = np.unique(np.asarray(group, object).astype(str), return_inverse=True)
    found = np.full(len(place), rows.loc[rows["group"] == ALL, "value"].iloc[0], np.float64)
    own = rows.dropna(subset=["share"]).sort_values("part")
    for number, name in enumerate(names):
        parts, inside = own[own["group"] == name], place == number
        if len(parts) and name != ALL:
            ends = np.cumsum(parts["share"])[:-1]
            drawn = np.searchsorted(ends, chance[inside], side="right")
            found[inside] = parts["value"].to_numpy(np.float64)[drawn]
    return found


def hull(target: Array, score: Array) -> Hull:
    """Find the corners of the convex hull of an ROC curve; both classes are needed.

    They lie where one level of an isotonic fit of the target to the score ends (Fawcett &
    Niculescu-Mizil 2007).
    """
    values, place = np.unique(-score, return_inverse=True)
    called, positive = np.bincount(place), np.bincount(place, weights=target)
    fitted = isotonic_regression(positive / called, weights=called, increasing=False)
    ends = fitted.blocks[1:] - 1
    tp = np.append(0, np.cumsum(positive)[ends].astype(np.int64))
    fp = np.append(0, np.cumsum(called)[ends]) - tp
    value = np.append(NEVER, -values[ends])
    value[-1] = ALWAYS
    turns = np.diff(fp[:-1]) * np.diff(tp[1:]) != np.diff(tp[:-1]) * np.diff(fp[1:])
    corner = np.concatenate([[True], turns, [True]])
    return Hull(
        fp[corner] / fp[-1], tp[corner] / tp[-1], value[corner], len(target), int(target.sum())
    )


def best_tpr(of: Hull, fpr: Array) -> Array:
    """Return the highest TPR (k,) that can be had at each FPR (k,)."""
    highest = np.append(np.diff(of.fpr) > 0, True)  # where the hull rises without false positives
    return np.asarray(np.interp(fpr, of.fpr[highest], of.tpr[highest]))


def least_fpr(of: Hull, tpr: Array) -> Array:
    """Return the lowest FPR (k,) at which each TPR (k,) can be had."""
    lowest = np.append(True, np.diff(of.tpr) > 0)
    return np.asarray(np.interp(tpr, of.tpr[lowest], of.fpr[lowest]))


def common_point(hulls: Sequence[Hull]) -> Point:
    """Return the point below all hulls with the largest TPR - FPR; of equal ones the first."""
    fpr = np.unique(np.concatenate([of.fpr for of in hulls]))
    fpr = np.union1d(fpr, _crossings(fpr, np.stack([best_tpr(of, fpr) for of in hulls])))
    tpr = np.min([best_tpr(of, fpr) for of in hulls], axis=0)
    best = _first_best(tpr - fpr)
    return (0.0, 0.0) if tpr[best] - fpr[best] < TINY else (float(fpr[best]), float(tpr[best]))


def common_tpr(hulls: Sequence[Hull]) -> float:
    """Return the TPR at which TPR - FPR of all images is largest, each group on its own hull."""
    tpr = np.unique(np.concatenate([of.tpr for of in hulls]))
    negatives = np.array([of.n - of.n_positive for of in hulls])
    fpr = negatives @ np.stack([least_fpr(of, tpr) for of in hulls]) / negatives.sum()
    best = _first_best(tpr - fpr)
    return 0.0 if tpr[best] - fpr[best] < TINY else float(tpr[best])


def reach(of: Hull, point: Point) -> Mixture:
    """Draw between thresholds so that FPR and TPR are those of a point on or below the hull.

    The ray from (0, 0) through the point meets the hull between two neighbouring corners; nobody is
    called positive as often as the point lies nearer to (0, 0) than that.
    """
    fpr, tpr = point
    if len(of.value) == 2:  # scores that say nothing: the hull is the diagonal
        return _mixed(of.value, np.array([1 - tpr, tpr]))
    across = fpr * of.tpr - tpr * of.fpr  # above 0 for corners that are steeper than the point
    steeper = np.flatnonzero(across[1:-1] >= 0)
    left = 1 + (int(steeper[-1]) if len(steeper) else 0)
    corners = np.array([of.fpr[left : left + 2], of.tpr[left : left + 2]])
    width = across[left] - across[left + 1]
    along = float(np.clip(across[left] / width, 0, 1)) if width > 0 else 0.0
    met = corners @ [1 - along, along]
    near = float(np.clip(met @ point / (met @ met), 0, 1))
    share = np.array([1 - near, near * (1 - along), near * along])
    return _mixed(of.value[[0, left, left + 1]], share)


def _mixed(value: Array, share: Array) -> Mixture:
    """Leave out thresholds that decide nothing."""
    kept = share > TINY
    return Mixture(value[kept], share[kept] / share[kept].sum())


def _crossings(at: Array, height: Array) -> Array:
    """Return where two of several lines (g, k), straight between places `at` (k,), cross."""
    one, other = np.triu_indices(len(height), 1)
    apart = height[one] - height[other]
    pair, place = np.nonzero(apart[:, :-1] * apart[:, 1:] < 0)
    start, end = apart[pair, place], apart[pair, place + 1]
    return np.asarray(at[place] + (at[place + 1] - at[place]) * start / (start - end))


def _first_best(values: Array) -> int:
    """Return the place of the largest value; of equal ones the first."""
    return int(np.flatnonzero(values >= values.max() - TINY)[0])


def _of_label(label: str, rows: pd.DataFrame, rule: Post) -> Iterator[dict[str, object]]:
    """Make the rows of one label, group by group."""
    hulls: dict[str, Hull] = {}
    whole = {str(name): inside for name, inside in rows.groupby("group")}
    judged = {name: of.dropna(subset=["target", "score"]) for name, of in whole.items()}
    target = {name: of["target"].to_numpy(np.float64) for name, of in judged.items()}
    for name, of in judged.items():
        if target[name].any() and not target[name].all():
            hulls[name] = hull(target[name], of["score"].to_numpy(np.float64))
    mixtures = RULES[rule](hulls) if hulls else {}
    for name, inside in whole.items():
        mixture = mixtures.get(name, UNDEFINED)
        about: dict[str, object] = {
            "label": label,
            "group": name,
            "rule": rule,
            "fitted_on": FOLD,
            "n": len(target[name]),
            "n_positive": int(target[name].sum()),
            "note": join(_why(target[name], mixture), left_out(inside) or "") or None,
        }
        for part, (value, share) in enumerate(zip(*mixture, strict=True)):
            yield {**about, "part": part, "value": value, "share": share}


def _why(target: Array, mixture: Mixture) -> str:
    """Say why a group has no threshold, or one that nobody reaches."""
    if not target.any() or target.all():
        lacks = "negatives" if target.any() else "positives"
        return f"no {lacks} in {FOLD}: decided as all images are"
    if mixture.value[0] == NEVER and len(mixture.value) == 1:
        return "nothing that all groups can have is better than chance: nobody is called positive"
    return ""


def _equalised_odds(hulls: Mapping[str, Hull]) -> dict[str, Mixture]:
    """Bring every group to the common point."""
    point = common_point(list(hulls.values()))
    return {name: reach(of, point) for name, of in hulls.items()}


def _equal_opportunity(hulls: Mapping[str, Hull]) -> dict[str, Mixture]:
    """Bring every group to the common TPR on its own hull."""
    tpr = common_tpr(list(hulls.values()))
    at = np.array([tpr])
    return {name: reach(of, (float(least_fpr(of, at)[0]), tpr)) for name, of in hulls.items()}


UNDEFINED = Mixture(np.array([np.nan]), np.array([np.nan]))
RULES: Mapping[Post, Callable[[Mapping[str, Hull]], dict[str, Mixture]]] = {
    "equalised_odds": _equalised_odds,
    "equal_opportunity": _equal_opportunity,
}
