"""ADF against the direct effect that it stands for: one point a variant."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.effects import beside_adf
from cxrfair.report._results import StudyResults
from cxrfair.report._words import interval, number
from cxrfair.report.figures import _style as style
from cxrfair.report.figures import _tradeoff as tradeoff
from cxrfair.statistics.association import rank_correlation

TITLE = "ADF against the direct effect"
CAPTION = (
    "ADF, which a real data set could tell, against the size of the attribute's direct effect on "
    "decisions (left) and on scores (right), which simulated data alone tell: a point a variant. "
    "Means over seeds; horizontal ranges are from the lowest to the highest end of the seeds' "
    "intervals without sign, from 0 where one holds 0. If ADF tracked the direct effect, points "
    "would rise to the right; below: Spearman's rank correlation, with its interval over resampled "
    "variants. Dashed: what ADF is expected to be where there is nothing but chance."
)
SECTION = "effects"
SHOWN = {"decision": "decisions", "score": "scores"}
FAINT, CLEAR = 0.3, 0.55  # of intervals, beside numbers and without
Place = tuple[str, str, str]  # dataset, label, attribute


def draw(study: StudyResults) -> Figure | None:
    """Draw one row a data set, label and attribute, and one column a kind of answer.

    None where no effect was measured, or ADF was not asked for.
    """
    points = beside_adf(study.summary, study.effects)
    if not (study.summary["metric"] == "adf").any() or points.empty:
        return None
    rows, (width, height) = _places(points, study), tradeoff.PANEL_INCHES
    names = _legend_names(study, points)
    wide = width * len(SHOWN)
    above = style.legend_inches(list(names.values()), wide)
    figure = Figure((wide, above + height * len(rows)))
    grid = figure.subplots(len(rows), len(SHOWN), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        dataset, label, attribute = rows[i]
        here = points[["dataset", "label", "attribute", "of"]] == [*rows[i], list(SHOWN)[j]]
        of = points[here.all(axis=1)].set_index("variant").reindex(list(study.study.variants))
        _panel(axes, of, names)
        said = f"Direct effect on {list(SHOWN.values())[j]}, without sign"
        axes.set_xlabel(f"{said}\n{_said(of, study)}")
        axes.set_ylabel("ADF (nats)")
        several = len(study.study.labels) > 1
        what = f"{study.title(label)}, {study.title(attribute).lower()}" if several else attribute
        axes.set_title(style.named(study, what, dataset))
        style.tag(axes, dataset)
    style.legend(figure)
    return figure


def _places(points: pd.DataFrame, study: StudyResults) -> list[Place]:
    """List what there are points of, as params.yaml lists it."""
    found = set(points[["dataset", "label", "attribute"]].itertuples(index=False, name=None))
    of = study.study
    every = ((d, n, a) for d in of.datasets for n in of.labels for a in of.effects)
    return [place for place in every if place in found]


def _legend_names(study: StudyResults, points: pd.DataFrame) -> dict[str, str]:
    """Return the measured variants as the legend names them: as in the other figures of the study.

    They are numbered where colours do not tell all variants apart.
    """
    measured, numbered = set(points["variant"]), len(study.study.variants) > len(style.COLOURS)
    return {
        name: f"{i} {name}" if numbered else name
        for i, name in enumerate(study.study.variants, 1)
        if name in measured
    }


def _panel(axes: Axes, points: pd.DataFrame, names: Mapping[str, str]) -> None:
    """Draw the variants of `names` with intervals; `points` has a row for each of the study's."""
    numbered = any(name != shown for name, shown in names.items())
    faint, looks = FAINT if numbered else CLEAR, style.look(list(points.index))
    for variant, name in names.items():
        at, (colour, marker) = points.loc[variant], looks[variant]
        x, y = (at["size_low"], at["size_high"]), (at["adf_low"], at["adf_high"])
        axes.hlines(at["adf"], *x, color=colour, alpha=faint, linewidth=1.2)
        axes.vlines(at["size"], *y, color=colour, alpha=faint, linewidth=1.2)
        axes.plot(at["size"], at["adf"], marker, color=colour, label=name, markersize=6, zorder=3)
    chance = points["chance"].median()
    if not np.isnan(chance):
        axes.axhline(chance, color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.margins(0.12)
    places = points[["size", "adf"]].to_numpy("float64")
    if not np.isfinite(places).all(axis=1).any():
        axes.set_xticks([])
        axes.set_yticks([])
        said = "undefined or hidden"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)
    elif numbered:
        tradeoff.number_points(axes, places)


def _said(points: pd.DataFrame, study: StudyResults) -> str:
    """Write the rank correlation of a panel's points with its interval."""
    size, adf = (points[name].to_numpy("float64") for name in ("size", "adf"))
    found = rank_correlation(size, adf, study.resamples, study.confidence)
    if np.isnan(found.value):
        return f"rank correlation undefined:\n{found.note}"
    ends = "" if np.isnan(found.low) else f"({interval(found.low, found.high, 2)}), "
    return f"rank correlation {number(found.value, 2)}\n{ends}{found.n} variants"
