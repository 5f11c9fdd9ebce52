"""Rows of results without what is hidden, and to the digits a page shows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.report.composition import ANY
from cxrfair.report.suppression._groups import TEST, Hidden
from cxrfair.report.suppression._patterns import Group
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.judgement import MEAN
from cxrfair.tables import UNKNOWN

Mask = NDArray[np.bool_]
NOTE = "hidden: small group"
DIGITS = 3  # as on the page: more would give numerators and denominators away
COUNTS = ("n", "n_positive", "n_patients")
SHARES = (
    *("value", "ci_low", "ci_high", "seed_sd", "difference", "difference_low", "difference_high"),
    *("reduction", "reduction_low", "reduction_high", "total_variation", "overall", "worst"),
    *("gap", "leakage"),
)
TESTS = ("statistic", "p_value", "p_holm")
NUMBERS = (*SHARES, *TESTS, "effective_n")
OF_GROUPS = "_group_gap"  # ends metrics that set one group against the others


def is_hidden(hidden: Hidden, dataset: str, label: str, attribute: str, group: str) -> bool:
    """Tell whether a group, or a comparison of an attribute's groups, is hidden for a label."""
    groups = _of(hidden, dataset, label)
    if group == BETWEEN:
        return attribute in {name for name, _ in groups}
    return (attribute, group) in groups


def hide_results(rows: pd.DataFrame, hidden: Hidden, composition: pd.DataFrame) -> pd.DataFrame:
    """Empty the numbers of hidden groups, and of comparisons and means that they enter.

    `rows` are of METRICS or SUMMARY. Counts of label `mean` stay only where they are
    of all images: how many are judged for some label is one more count to subtract from.
    """
    mask = _mask(rows, hidden)
    found = empty(rows, mask)
    every = _everyone(composition)
    known = [every.get(key) for key in zip(rows["dataset"], rows["attribute"], strict=True)]
    partial = (rows["label"] == MEAN).to_numpy() & (rows["n"].to_numpy() != np.array(known, object))
    found.loc[partial, list(COUNTS)] = pd.NA
    found.loc[(rows["label"] == MEAN).to_numpy(), "n_positive"] = pd.NA
    return found


def hide_matched(
    rows: pd.DataFrame, hidden: Hidden, composition: pd.DataFrame, smallest: int
) -> pd.DataFrame:
    """Empty rows as `hide_results` does, and where the matched images of a group are few.

    Counts stay only where they are of the whole group: those left out of a matched set may be few.
    """
    keys = ["dataset", "label", "attribute", "group"]
    parts = [rows["n"], rows["n_positive"], rows["n"] - rows["n_positive"], rows["n_patients"]]
    few = np.any([is_between(part, smallest) for part in parts], axis=0)
    few |= is_between(rows["effective_n"], smallest)
    place = [rows[key] for key in ("test_set", "dataset", "label", "attribute")]
    entered = pd.Series(few, rows.index).groupby(place).transform("any").to_numpy(bool)
    found = hide_results(rows, hidden, composition)
    share = found["note"].str.replace(r"(?:under )?\d+ % of images", "some images", regex=True)
    found = empty(found.assign(note=share), few | entered & compares(rows))
    tested = composition[composition["fold"] == TEST].set_index(keys)[list(COUNTS)]
    whole = tested.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy(float)
    partial = (rows[list(COUNTS)].to_numpy(float) != whole).any(axis=1)
    found.loc[partial, list(COUNTS)] = pd.NA
    return found.assign(effective_n=found["effective_n"].round())


def hide_shift(rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Empty rows of hidden groups, and what sets others apart from all known ones with them."""
    found = empty(rows, _mask(rows, hidden))
    found.loc[_mask(rows.assign(group=BETWEEN), hidden), ["total_variation", *TESTS]] = np.nan
    return found


def hide_curves(rows: pd.DataFrame, hidden: Hidden, smallest: int) -> pd.DataFrame:
    """Leave out curves of hidden groups and points of few images; empty all counts.

    The bins of a group add up to it, and those of all groups to the bin of all images: without
    their counts there is nothing to subtract. An interval tells how many images a point is of, and
    goes where few of them are positive or negative.
    """
    binned = (rows["curve"] == "calibration").to_numpy()
    kept = ~_mask(rows, hidden) & ~(binned & is_between(rows["n"], smallest))
    parts = (rows["n_positive"], rows["n"] - rows["n_positive"])
    vague = np.any([is_between(part, smallest) for part in parts], axis=0)
    found = rows.astype(dict.fromkeys(COUNTS, "Int64"))
    found.loc[vague, ["ci_low", "ci_high"]] = np.nan
    found.loc[:, list(COUNTS)] = pd.NA
    found = found[kept].reset_index(drop=True)
    return found.assign(
        **{name: found[name].round(DIGITS) for name in ("x", "y", "ci_low", "ci_high")}
    )


def hide_leakage(rows: pd.DataFrame, hidden: Hidden, smallest: int) -> pd.DataFrame:
    """Empty what probes say of hidden groups, and counts that tell of them.

    Probes are trained on the images of known groups, whose number gives away those unknown; within
    a label's positives or negatives, on those judged, which are shown of test images alone.
    """
    label = np.where(rows["within"] == "all", ANY, rows["label"])
    touched = _mask(rows.assign(label=label, group=BETWEEN), hidden)
    named = ~rows["group"].isin([ALL, BETWEEN, MEAN]).to_numpy()
    found = empty(rows, np.where(named, _mask(rows.assign(label=label), hidden), touched))
    parts = (rows["n"], rows["n_positive"], rows["n"] - rows["n_positive"], rows["n_patients"])
    few = np.any([is_between(part, smallest) for part in parts], axis=0)
    unseen = (rows["within"] != "all").to_numpy() & (rows["fold"] != TEST).to_numpy()
    found.loc[touched | few | unseen, list(COUNTS)] = pd.NA
    return found


def hide_selection(rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Empty what models are chosen by where a hidden group enters it: all but the overall value."""
    places = rows.assign(label=MEAN, group=BETWEEN)
    mask = _mask(places, hidden)
    found = rounded(rows)
    found.loc[mask, ["worst", "gap", "leakage"]] = np.nan
    return found.assign(note=found["note"].mask(mask, NOTE))


def hide_search(rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Empty what draws are chosen by where a group of any attribute is hidden, as above."""
    mask = np.array([bool(_of(hidden, dataset, MEAN)) for dataset in rows["dataset"]], bool)
    found = rounded(rows)
    found.loc[mask, ["worst", "gap"]] = np.nan
    return found.assign(note=found["note"].mask(mask & found["overall"].notna(), NOTE))


def empty(rows: pd.DataFrame, mask: Mask) -> pd.DataFrame:
    """Empty the numbers of some rows, saying so, and round those of the others."""
    found = rounded(rows.astype(dict.fromkeys(COUNTS, "Int64")))
    found.loc[mask, list(COUNTS)] = pd.NA
    found.loc[mask, [name for name in NUMBERS if name in rows]] = np.nan
    vague = found["note"].str.replace(r"rate of [\d.]+ images", "rate of few images", regex=True)
    return found.assign(note=vague.mask(mask, NOTE))


def rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """Round to the digits of the page; tests' results to as many that tell something."""
    shares = {name: rows[name].round(DIGITS) for name in SHARES if name in rows}
    tests = {name: _significant(rows[name]) for name in TESTS if name in rows}
    return rows.assign(**shares, **tests)


def is_between(counts: "pd.Series[float]", smallest: int) -> Mask:
    """Tell which counts are more than 0 and less than the smallest allowed."""
    numbers = counts.to_numpy(float, na_value=np.nan)
    return np.asarray((numbers > 0) & (numbers < smallest))


def _significant(values: "pd.Series[float]") -> "pd.Series[float]":
    """Round to three significant digits."""
    return values.map(lambda value: float(f"{value:.{DIGITS}g}"))


def _of(hidden: Hidden, dataset: str, label: str) -> frozenset[Group]:
    """Return the groups hidden for a label; for the mean over labels, for any of them."""
    labels = [name for of, name in hidden if of == dataset] if label == MEAN else [label]
    return frozenset[Group]().union(*(hidden[dataset, name] for name in labels))


def compares(rows: pd.DataFrame) -> Mask:
    """Tell which rows set groups of an attribute against one another."""
    between = (rows["group"] == BETWEEN).to_numpy(bool)
    if "metric" not in rows:
        return between
    return between | rows["metric"].str.endswith(OF_GROUPS).to_numpy(bool)


def _mask(rows: pd.DataFrame, hidden: Hidden) -> Mask:
    """Tell which rows are of hidden groups, or of comparisons that one enters."""
    group = rows["group"].astype(object).mask(compares(rows), BETWEEN)
    keys: Sequence[pd.Series] = (rows["dataset"], rows["label"], rows["attribute"], group)
    places = list(zip(*keys, strict=True))
    told = {place: is_hidden(hidden, *place) for place in set(places)}
    return np.array([told[place] for place in places], bool)


def _everyone(composition: pd.DataFrame) -> Mapping[tuple[str, str], int]:
    """Count test images, by data set and attribute: all of them, or those of known groups."""
    rows = composition[(composition["fold"] == TEST) & (composition["label"] == ANY)]
    known = rows[rows["group"] != UNKNOWN]
    found: dict[tuple[str, str], int] = {}
    for place in zip(known["dataset"], known["attribute"], known["n"], strict=True):
        found[place[:2]] = found.get(place[:2], 0) + int(place[2])
    return found
