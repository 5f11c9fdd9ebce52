"""What a setting does: accuracy and fairness over the values of one setting of a method."""

import json
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair import comparisons
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.figures import _tradeoff as tradeoff
from cxrfair.studies import trained

TITLE = "What a setting does"
CAPTION = (
    "Trainings that differ in one setting alone: accuracy on all test images, and PQD and EOM "
    "between the groups of each attribute, over the setting's values. Higher is better for all "
    "three. Mean over labels and seeds, with intervals, which are drawn a little aside to be told "
    "apart. Dashed, in the same colours: the study's reference. Where a study searches, the other "
    "settings are those chosen for each value. As the sweeps of the Stride-Net paper."
)
SECTION = "fairness"
ACROSS, BETWEEN = "accuracy", ("pqd", "eom")
FEWEST_VALUES = 3  # two are a comparison, which its table shows
FAR = 20.0  # largest over smallest value beyond which an axis is logarithmic
APART = 0.09  # of an axis' width: ticks that are nearer run into each other
LINE_LETTERS = 44  # of what is written below a panel
ASIDE = 0.012  # of an axis' width, between the intervals of one value
REFERENCE: dict[str, Any] = {"alpha": 0.6, "linewidth": 1.0, "linestyle": (0, (4, 3)), "zorder": 1}
LINE: dict[str, Any] = {"linewidth": 1.3, "markersize": 5, "zorder": 3}

Array = NDArray[np.float64]


class Family(NamedTuple):
    """Variants that differ in the setting `key` of their method alone; `groups` it is told of."""

    method: str
    key: str
    groups: tuple[str, ...]
    variants: tuple[str, ...]


def draw(study: StudyResults) -> Figure | None:
    """Draw one row a family and data set, one panel an attribute.

    None where no setting has three values or more, or none of the three measures was asked for.
    """
    measures = [name for name in (ACROSS, *BETWEEN) if (study.summary["metric"] == name).any()]
    found = families(study)
    if not (found and measures):
        return None
    rows = [(family, dataset) for family in found for dataset in study.study.datasets]
    attributes, (width, height) = study.study.attributes, tradeoff.PANEL_INCHES
    wide = width * max(len(attributes), tradeoff.FEWEST_WIDE)
    names = [*map(comparisons.title, measures), study.study.reference]
    size = (wide, style.legend_inches(names, wide) + height * len(rows))
    figure = Figure(size)
    grid = figure.subplots(len(rows), len(attributes), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        family, dataset = rows[i]
        _panel(axes, study, (family, dataset, attributes[j]), measures)
        axes.set_xlabel(textwrap.fill(_said(study, family, found), LINE_LETTERS))
        axes.set_title(style.named(study, attributes[j], dataset))
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def families(study: StudyResults) -> list[Family]:
    """Find the variants that differ in one number of their settings, in the study's order.

    They share method, groups, list, upstream, values of `train` and all other settings that they
    set; one that does not set the number itself has the one that it was trained with. Such numbers
    with fewer than three values on every data set are left out.
    """
    of, alike = study.study, dict[tuple[str, ...], list[str]]()
    for name in trained(of):
        own = of.variants[name]
        for key in _keys(study, str(own.method)):
            others = {k: value for k, value in own.settings.items() if k != key}
            rest = [own.groups, own.rebalance, own.upstream, own.train, others]
            place = (str(own.method), key, json.dumps(rest, sort_keys=True))
            alike.setdefault(place, []).append(name)
    found = [
        Family(method, key, of.variants[names[0]].groups, tuple(names))
        for (method, key, _), names in alike.items()
    ]
    return [
        family
        for family in found
        if any(values(study, d, family).nunique() >= FEWEST_VALUES for d in of.datasets)
    ]


def values(study: StudyResults, dataset: str, family: Family) -> pd.Series:
    """Return the setting as a family's variants were trained with it, ascending, by variant.

    Variants of which no number is known are left out.
    """
    known = {}
    for name in family.variants:
        card = study.cards.get((dataset, name, study.study.seeds[0]), {})
        value = card.get("settings", {}).get(family.key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            known[name] = float(value)
    return pd.Series(known, dtype="float64").sort_values(kind="stable")


def _keys(study: StudyResults, method: str) -> tuple[str, ...]:
    """Name the settings that some variant of a method sets, in the order they appear in."""
    variants = [v for v in study.study.variants.values() if v.method == method]
    return tuple(dict.fromkeys(key for variant in variants for key in variant.settings))


def _panel(
    axes: Axes, study: StudyResults, of: tuple[Family, str, str], measures: Sequence[str]
) -> None:
    """Draw every measure of a family on one data set, for one attribute; `of` names the three."""
    family, dataset, attribute = of
    found, reference = values(study, dataset, family), study.study.reference
    x, shown = found.to_numpy(), False
    for name in measures:
        rows = tradeoff.values(study, dataset, name, "all" if name == ACROSS else attribute)
        shown |= bool(rows["value"][found.index].notna().any())
        _line(axes, x, rows.loc[found.index], name)
        axes.axhline(rows["value"][reference], color=_look(name)[0], **REFERENCE)
    axes.plot([], [], color=style.QUIET, label=reference, **REFERENCE)
    axes.set_ylabel("Mean over labels")
    axes.margins(0.1)
    _mark_values(axes, x)
    if not shown:
        axes.set_yticks([])
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)


def _line(axes: Axes, x: Array, rows: pd.DataFrame, measure: str) -> None:
    """Join the values of a measure; the intervals of three measures stand beside each other."""
    colour, marker, side = _look(measure)
    places = _places(x)
    places = places + side * ASIDE * (places[-1:] - places[:1])
    aside = np.exp(places) if _far(x) else places
    low, high = rows["ci_low"], rows["ci_high"]
    axes.vlines(aside, low, high, color=colour, alpha=0.45, linewidth=1.3)
    title = comparisons.title(measure)
    axes.plot(aside, rows["value"], marker=marker, color=colour, label=title, **LINE)


def _mark_values(axes: Axes, x: Array) -> None:
    """Mark the values themselves, on a logarithmic axis where they are far from each other."""
    if _far(x):
        axes.set_xscale("log")
    shown: list[int] = []
    places = _places(x)
    for number, place in enumerate(places):
        if not shown or place - places[shown[-1]] > APART * (places[-1] - places[0]):
            shown.append(number)
    axes.set_xticks(x[shown], [f"{value:g}" for value in x[shown]])
    axes.set_xticks([], minor=True)


def _far(x: Array) -> bool:
    """Tell whether ascending values are so far from each other that their logarithms are shown."""
    return bool(len(x) and x[0] > 0 and x[-1] / x[0] > FAR)


def _places(x: Array) -> Array:
    """Return where ascending values lie along their axis."""
    return np.log(x) if _far(x) else x


def _said(study: StudyResults, family: Family, others: Sequence[Family]) -> str:
    """Say which setting of which method, and of which groups the method was told.

    Families that would be named alike are told apart by a variant.
    """
    groups = " and ".join(group.replace("_", " ") for group in family.groups)
    told = f", told of {groups}" if groups else ""
    same = [each for each in others if each[:-1] == family[:-1]]
    such = f" (as {family.variants[0]})" if len(same) > 1 else ""
    return f"{study.title(family.key)} of {family.method}{told}{such}"


def _look(measure: str) -> tuple[str, str, int]:
    """Return colour, marker and side (-1, 0, 1) of a measure."""
    place = (ACROSS, *BETWEEN).index(measure)
    return style.COLOURS[place], style.MARKERS[place], place - 1
