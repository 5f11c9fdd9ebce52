"""Numbers of labels that are shown without counts, to so few digits that they tell no count.

A share with three digits is of fewer than 1000 images only if some whole numbers give it: a few
models' shares of the same images leave one denominator, which less all images is those not judged.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import metrics
from cxrfair.report.suppression._groups import TEST, Uncounted
from cxrfair.report.suppression._rows import COUNTS, DIGITS, SHARES, compares
from cxrfair.statistics.cells import BETWEEN
from cxrfair.statistics.judgement import MEAN

Place = tuple[str, str, str, str]  # data set, label, attribute, group
Least = Mapping[Place, int]
ROOM = 4  # whole numerators that give a shown share, at least, whatever the denominator
SCORES = ("brier", "ece")  # of scores that nobody knows: no fractions of whole numbers
OF_PAIRS = ("auroc", "average_precision")  # fractions of positives times negatives


def least(composition: pd.DataFrame, secret: Uncounted) -> dict[Place, int]:
    """Count the fewer of positives and negatives in the test fold, where labels have no counts.

    `between` has the fewest of an attribute's groups, label `mean` the fewest of those labels.
    """
    places = zip(composition["dataset"], composition["label"], strict=True)
    told = np.array([place in secret for place in places], bool)
    rows = composition[told & (composition["fold"] == TEST).to_numpy()]
    fewer = np.minimum(rows["n_positive"], rows["n"] - rows["n_positive"])
    rows = rows.assign(fewer=fewer)[fewer > 0]
    keys = ["dataset", "label", "attribute", "group"]
    every = pd.concat([rows, rows.assign(group=BETWEEN)])
    every = pd.concat([every, every.assign(label=MEAN)])
    fewest = every.groupby(keys)["fewer"].min()
    named = fewest.reset_index()[keys].astype(str).to_numpy().tolist()
    return {
        (dataset, label, attribute, group): int(count)
        for (dataset, label, attribute, group), count in zip(named, fewest, strict=True)
    }


def coarsen(rows: pd.DataFrame, fewest: Least, *, pairs: bool = False) -> pd.DataFrame:
    """Round shares of labels without counts, and of means that they enter.

    `pairs` says that all are fractions of pairs of images, as AUROC is.
    """
    group = rows["group"].astype(object).mask(compares(rows), BETWEEN)
    size = _sizes(rows.assign(group=group), fewest)
    metric = rows.get("metric", pd.Series("auroc" if pairs else "", rows.index))
    bases = {name: _base(name) for name in metric.unique()}
    base = metric.map(bases).astype(object)
    size = np.where(base.isin(OF_PAIRS), size**2, size)
    size = np.where(base.isin(SCORES), np.inf, size)
    found = round_to_room(rows, size, [name for name in SHARES if name != "total_variation"])
    return round_to_room(found, _sizes(rows.assign(group=BETWEEN), fewest), ["total_variation"])


def coarsen_shift(rows: pd.DataFrame, fewest: Least) -> pd.DataFrame:
    """Round shares of labels without counts, and tests: their statistics grow with the number."""
    told = np.isfinite(_sizes(rows, fewest))
    found = coarsen(rows, fewest)
    found.loc[told, "statistic"] = np.nan
    for name in ("p_value", "p_holm"):
        found.loc[told, name] = found.loc[told, name].map(lambda value: float(f"{value:.0e}"))
    return found


def coarsen_curves(rows: pd.DataFrame, secret: Uncounted) -> pd.DataFrame:
    """Round points of curves of labels without counts: by their bins', or classes', images."""
    places = zip(rows["dataset"], rows["label"], strict=True)
    told = np.array([place in secret for place in places], bool)
    fewer = np.minimum(rows["n_positive"], rows["n"] - rows["n_positive"])
    size = rows["n"].where(rows["curve"] == "calibration", fewer).to_numpy(float)
    return round_to_room(rows, np.where(told, size, np.inf), ["y", "ci_low", "ci_high"])


def uncount(rows: pd.DataFrame, secret: Uncounted) -> pd.DataFrame:
    """Empty the counts of labels that are shown without any; effective ones are counts, too."""
    places = zip(rows["dataset"], rows["label"], strict=True)
    mask = np.array([place in secret for place in places], bool)
    found = rows.copy()
    found.loc[mask, [name for name in COUNTS if name in rows]] = pd.NA
    if "effective_n" in found:
        mean = [
            label == MEAN and any(dataset == of for of, _ in secret)
            for dataset, label in zip(rows["dataset"], rows["label"], strict=True)
        ]
        found.loc[mask | np.array(mean, bool), "effective_n"] = np.nan
    return found


def _base(metric: str) -> str:
    """Return the metric of which another is a form; itself if it is of several."""
    base, _ = metrics.split_name(metric)
    return base


def _sizes(rows: pd.DataFrame, fewest: Least) -> NDArray[np.float64]:
    """Look up each row's place; infinite for labels with counts, 0 for places nobody knows."""
    known = {place[:2] for place in fewest}
    places = zip(*(rows[k] for k in ("dataset", "label", "attribute", "group")), strict=True)
    return np.array([fewest.get(p, 0) if p[:2] in known else np.inf for p in places], float)


def round_to_room(
    rows: pd.DataFrame, size: NDArray[np.float64], names: Iterable[str]
) -> pd.DataFrame:
    """Round columns, if there, to as many digits as have room for `ROOM` whole numbers.

    `size` (rows,) is of how many images each row is.
    """
    found, there = rows.copy(), [name for name in names if name in rows]
    for digits in range(1, DIGITS):
        at_most = ROOM * 10 ** (digits + 1)
        mask = (size < at_most) & ((digits == 1) | (size >= ROOM * 10**digits))
        for name in there:
            found.loc[mask, name] = found.loc[mask, name].round(digits)
    return found
