"""What the fairness weight of a head costs and what it buys, trial by trial."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair import comparisons
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.spread import over_trials
from cxrfair.statistics.cells import ALL

TITLE = "What the weight of fairness does"
CAPTION = (
    "Last layers fitted with a growing weight alpha of soft error rates beside the cross entropy, "
    "each point one alpha: what lies further left is more alike between the groups, what lies "
    "higher is better on all test images. Marks: the other variants. Means over trials, all "
    "decisions at 0.5; bars are the percentiles between which the trials lie, and say nothing of "
    "other test patients. Beyond the class-balanced fine-tuning paper, which has alpha = 1 alone."
)
SECTION = "fairness"
SETTING = "alpha"
ACROSS, UP = "eo_diff", ("auroc", "balanced_accuracy")
FEWEST_VALUES = 2
PANEL_INCHES = (3.9, 2.9)
INSIDE_POINTS = np.array([205.0, 150.0])  # of a panel's axes, near enough to keep numbers apart
# Where an alpha may stand, in points from its mark: aside from the bars, further off where others
# are in the way.
AROUND = np.array([(9, -6), (-9, 6), (9, 6), (-9, -6), (16, -12), (-16, 12), (16, 12), (-16, -12)])
CLEAR_POINTS = 9.0  # between a number and the nearest mark or number
BARS: dict[str, Any] = {"alpha": 0.45, "linewidth": 1.2}
LINE: dict[str, Any] = {"linewidth": 1.1, "markersize": 5, "zorder": 3}
NUMBER: dict[str, Any] = {
    **{"textcoords": "offset points", "ha": "center", "va": "center"},
    **{"fontsize": 7, "zorder": 4},
    # to its own mark, where others stand between
    "arrowprops": {"arrowstyle": "-", "linewidth": 0.5, "color": style.QUIET, "shrinkB": 2},
}


class Family(NamedTuple):
    """Variants of one head that differ in alpha alone, which is ascending."""

    head: str
    variants: tuple[str, ...]
    alphas: tuple[float, ...]


def draw(study: StudyResults) -> Figure | None:
    """Draw a row a data set and attribute, a panel for AUROC and one for balanced accuracy.

    None where no head was tried with two alphas or more.
    """
    if study.trials.empty or not (found := families(study)):
        return None
    of = over_trials(study.trials, study.study, study.confidence)
    rows = [(dataset, name) for dataset in study.study.datasets for name in study.study.attributes]
    width, height = PANEL_INCHES[0] * len(UP), PANEL_INCHES[1] * len(rows)
    names = [*(_named(study, each, found) for each in found), *_others(study, found)]
    figure = Figure((width, style.legend_inches(names, width) + height))
    grid = figure.subplots(len(rows), len(UP), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        dataset, attribute = rows[i]
        here = of[of["dataset"] == dataset]
        across, up = _values(here, ACROSS, attribute), _values(here, UP[j], ALL)
        _panel(axes, study, (across, up), found)
        axes.set_xlabel(f"{comparisons.title(ACROSS)} (less is better)")
        axes.set_ylabel(comparisons.title(UP[j]))
        axes.set_title(style.named(study, attribute, dataset))
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def families(study: StudyResults) -> list[Family]:
    """Find the variants of a head that share all but alpha, in the study's order.

    A variant that does not set it has the one it was fitted with; one of which none is known is in
    no family, nor are those without a second alpha.
    """
    alike: dict[tuple[str, str], dict[str, float]] = {}
    for name, of in study.study.variants.items():
        value = _alpha(study, name)
        if of.head is not None and value is not None:
            others = {key: own for key, own in of.settings.items() if key != SETTING}
            rest = json.dumps([of.groups, of.upstream, others], sort_keys=True)
            alike.setdefault((of.head, rest), {})[name] = value
    found = []
    for (head, _), members in alike.items():
        ordered = sorted(members, key=lambda name: members[name])
        if len(set(members.values())) >= FEWEST_VALUES:
            found.append(Family(head, tuple(ordered), tuple(members[name] for name in ordered)))
    return found


def _alpha(study: StudyResults, name: str) -> float | None:
    """Return the alpha of a variant: its own, or the one that lies beside what was fitted."""
    fitted = [card["settings"] for key, card in study.cards.items() if key[1] == name]
    told = [study.study.variants[name].settings, *fitted]
    found = [of[SETTING] for of in told if isinstance(of.get(SETTING), int | float)]
    return float(found[0]) if found else None


def _others(study: StudyResults, found: Sequence[Family]) -> list[str]:
    """Name the variants that are in no family and were judged by trials."""
    inside = {name for family in found for name in family.variants}
    tried = set(study.trials["variant"]) - inside
    return [name for name in study.study.variants if name in tried]


def _values(rows: pd.DataFrame, metric: str, attribute: str) -> pd.DataFrame:
    """Return value, ci_low and ci_high of a metric, one row a variant."""
    here = rows[(rows["metric"] == metric) & (rows["attribute"] == attribute)]
    return here.set_index("variant")[["value", "ci_low", "ci_high"]].astype("float64")


def _panel(
    axes: Axes,
    study: StudyResults,
    of: tuple[pd.DataFrame, pd.DataFrame],
    found: Sequence[Family],
) -> None:
    """Draw the families as lines over their alphas, and all others as marks."""
    looks, (across, up) = style.look(list(study.study.variants)), of
    for family in found:
        colour, marker = looks[family.variants[0]]
        x, y = (part.reindex(list(family.variants)) for part in of)
        _bars(axes, x, y, colour)
        label = _named(study, family, found)
        axes.plot(x["value"], y["value"], marker=marker, color=colour, label=label, **LINE)
    for name in _others(study, found):
        colour, marker = looks[name]
        x, y = across.reindex([name]), up.reindex([name])
        _bars(axes, x, y, colour)
        axes.plot(x["value"], y["value"], marker, color=colour, label=name, markersize=6, zorder=3)
    axes.margins(0.12)
    _number(axes, across["value"], up["value"], found)
    if not (across["value"].notna().any() and up["value"].notna().any()):
        axes.set_xticks([])
        axes.set_yticks([])
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)


def _number(axes: Axes, x: pd.Series, y: pd.Series, found: Sequence[Family]) -> None:
    """Write the alpha of each member of a family beside its mark, clear of others where it can."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    places = pd.DataFrame({"x": x, "y": y}).dropna()
    taken = (places.to_numpy(np.float64) - low) / (high - low) * INSIDE_POINTS
    marks = dict(zip(places.index, taken, strict=True))
    members = [pair for of in found for pair in zip(of.variants, of.alphas, strict=True)]
    for name, alpha in members:
        if name not in marks:
            continue
        gaps = np.linalg.norm(marks[name] + AROUND[:, None] - taken[None], axis=2).min(axis=1)
        shift = AROUND[int(np.argmax(np.minimum(gaps, CLEAR_POINTS)))]
        taken = np.vstack([taken, marks[name] + shift])
        axes.annotate(f"{alpha:g}", (x[name], y[name]), shift, **NUMBER)


def _bars(axes: Axes, x: pd.DataFrame, y: pd.DataFrame, colour: str) -> None:
    """Draw between which ends trials lie, in both directions."""
    axes.hlines(y["value"], x["ci_low"], x["ci_high"], color=colour, **BARS)
    axes.vlines(x["value"], y["ci_low"], y["ci_high"], color=colour, **BARS)


def _named(study: StudyResults, family: Family, found: Sequence[Family]) -> str:
    """Name a family; those of one head are told apart by their first variant."""
    same = [each for each in found if each.head == family.head]
    such = f" (as {family.variants[0]})" if len(same) > 1 else ""
    return f"{study.title(family.head)}, by alpha{such}"
