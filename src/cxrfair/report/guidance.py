"""What a study's networks were guided by: how many outlines, of how many images, or random maps."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.judgement import MEAN

METHOD, STRATEGY, RANDOM = "aligner", "guided_share", "random_maps"
GAPS = ("accuracy_gap", "auroc_gap", "tpr_gap", "f1_gap")  # between groups; less is better
HIT_RATE = "hit_rate"  # of all images with an outline; more is better
KEYS = ["dataset", "label", "attribute", "metric", "variant"]
DIFFERENCES = ["difference", "difference_low", "difference_high"]
PARTS = ["value", "ci_low", "ci_high", *DIFFERENCES, "seed_sd", "note"]


class Guided(NamedTuple):
    """A variant whose maps are drawn towards outlines.

    `level` is the share of the outlined positive images that guide, `ratio` that of the training
    patients used at all. `plain`: it sets nothing else of the method but `random_maps`.
    """

    variant: str
    level: float
    ratio: float
    random_maps: bool
    plain: bool

    @property
    def words(self) -> str:
        """Say it for readers: `25 %`, `100 %, random maps`, `none, half` of the patients ..."""
        many = f"{100 * self.level:g} %" if self.level else "none"
        drawn = ", random maps" if self.random_maps and self.level else ""
        part = f", {100 * self.ratio:g} % of patients" if self.ratio < 1 else ""
        return f"{many}{drawn}{part}"


class Pair(NamedTuple):
    """A guided variant, and the one that is trained alike on the same images without guidance."""

    aligned: Guided
    without: Guided


def guided(study: StudyResults) -> list[Guided]:
    """Find the variants that train `aligner` on lists of `guided_share`, in the study's order."""
    found = []
    for name, of in study.study.variants.items():
        entry = study.lists.get(of.rebalance, {})
        if of.method != METHOD or entry.get("strategy", of.rebalance) != STRATEGY:
            continue
        if {"level", "ratio"} <= set(entry):
            random = bool(_settings(study, name).get(RANDOM, False))
            numbers = float(entry["level"]), float(entry["ratio"])
            found.append(Guided(name, *numbers, random, not set(of.settings) - {RANDOM}))
    return found


def pairs(study: StudyResults) -> list[Pair]:
    """Set every variant with guidance beside its partner without; one that has none is left out.

    The partner has the same ratio, groups and values of `train`; of several, one with the same
    settings, then the one it is compared with, comes first.
    """
    every = guided(study)
    partners = {of.variant: _partner(study, of, every) for of in every if of.level > 0}
    return [Pair(of, without) for of in every if (without := partners.get(of.variant)) is not None]


def at_most_images(every: Sequence[Guided]) -> list[Guided]:
    """Return the variants that were trained on the largest share of patients of all."""
    most = max((of.ratio for of in every), default=1.0)
    return [of for of in every if of.ratio == most]


def judged(study: StudyResults, dataset: str) -> list[str]:
    """Name the labels that test images of a data set are judged for; all, if none is.

    A data set that never states a label has nothing to be judged.
    """
    of = study.summary
    here = of[of["dataset"].eq(dataset) & of["attribute"].eq(ALL) & of["group"].eq(ALL)]
    none = set(here.loc[here["n"].eq(0).fillna(value=False), "label"])  # a hidden count is some
    known = [name for name in study.study.labels if name not in none]
    return known or list(study.study.labels)


def measured(study: StudyResults) -> pd.DataFrame:
    """Return gaps and hit rates of all guided variants, as shares.

    Returns
    -------
    DataFrame
        One row a data set, judged label, attribute, metric and variant: `value` (mean over seeds),
        `ci_low`, `ci_high`, `difference` from the partner without guidance and its interval where
        the variant is compared with that partner (NaN elsewhere), `seed_sd` and `note`. The
        attribute of a hit rate is `all`.
    """
    rows = pd.concat([_gaps(study), _hit_rates(study)], ignore_index=True)
    names = [of.variant for of in guided(study)]
    known = [(d, label) for d in study.study.datasets for label in judged(study, d)]
    places = pd.MultiIndex.from_frame(rows[["dataset", "label"]])
    rows = rows[rows["variant"].isin(names) & places.isin(known)].reset_index(drop=True)
    told = study.study.compared_with
    paired = [
        of.aligned.variant for of in pairs(study) if of.without.variant == told(of.aligned.variant)
    ]
    kept = rows["variant"].isin(paired)
    return rows.assign(**{name: rows[name].where(kept) for name in DIFFERENCES})


def _gaps(study: StudyResults) -> pd.DataFrame:
    """Return the gaps between groups, label by label."""
    of = study.summary
    gaps = of["metric"].isin(GAPS) & of["group"].eq(BETWEEN) & of["label"].ne(MEAN)
    return of.loc[gaps, [*KEYS, *PARTS]]


def _hit_rates(study: StudyResults) -> pd.DataFrame:
    """Return the hit rates of all images with an outline, as means over seeds.

    Intervals are from the lowest to the highest end of the seeds' own.
    """
    of = study.pointing
    rows = of[of["statistic"].eq(HIT_RATE) & of["group"].eq(ALL)].assign(metric=HIT_RATE)
    return rows.groupby(KEYS, as_index=False, sort=False).agg(
        value=("value", "mean"),
        ci_low=("ci_low", "min"),
        ci_high=("ci_high", "max"),
        difference=("difference", "mean"),
        difference_low=("difference_low", "min"),
        difference_high=("difference_high", "max"),
        seed_sd=("value", "std"),
        note=("note", lambda notes: "; ".join(dict.fromkeys(notes.dropna())) or None),
    )


def against(rows: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """Set a pair's numbers side by side: rows of `measured` of both kinds.

    Returns
    -------
    DataFrame
        One row a data set, label, attribute and metric that is defined for both: `gain`, how much
        better guidance is (a smaller gap, a higher hit rate), and `surely`: 1 where the interval of
        the paired difference says better, -1 where worse, else 0; NaN without an interval.
    """
    keys = KEYS[:-1]
    own = rows[rows["variant"] == pair.aligned.variant].set_index(keys)
    other = rows[rows["variant"] == pair.without.variant].set_index(keys)["value"]
    sign = np.where(own.index.get_level_values("metric") == HIT_RATE, 1.0, -1.0)
    low, high = own["difference_low"].astype("float64"), own["difference_high"].astype("float64")
    told = np.where(low > 0, 1.0, np.where(high < 0, -1.0, 0.0))
    away = own["value"].astype("float64") - other.reindex(own.index).astype("float64")
    found = pd.DataFrame({"gain": sign * away, "surely": sign * told}, index=own.index)
    found["surely"] = found["surely"].where((low + high).notna())
    return found[found["gain"].notna()].reset_index()


def _settings(study: StudyResults, name: str) -> Mapping[str, Any]:
    """Return a variant's settings: its own, above those that lie beside its weights."""
    own = study.study.variants[name].settings
    fitted = [card.get("settings", {}) for key, card in study.cards.items() if key[1] == name]
    return {**(fitted[0] if fitted else {}), **own}


def _partner(study: StudyResults, of: Guided, every: Sequence[Guided]) -> Guided | None:
    """Return the variant without guidance that stands beside one with it."""
    variants = study.study.variants
    own = variants[of.variant]

    def rest(name: str) -> dict[str, Any]:
        return {key: value for key, value in variants[name].settings.items() if key != RANDOM}

    fitting = [
        each
        for each in every
        if each.level == 0
        and each.ratio == of.ratio
        and (variants[each.variant].train, variants[each.variant].groups) == (own.train, own.groups)
    ]
    ordered = sorted(
        fitting,
        key=lambda each: (
            rest(each.variant) != rest(of.variant),
            each.variant != study.study.compared_with(of.variant),
        ),
    )
    return ordered[0] if ordered else None
