"""What figures of one measure against another share: a point a variant, a shaded corner."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrfair import metrics
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style

PANEL_INCHES = (2.95, 2.75)
FEWEST_WIDE = 2  # panels: a narrower figure has no room for its legend
INSIDE_POINTS = np.array([150.0, 135.0])  # of a panel's axes, near enough to keep numbers apart
# Where a point's number may go, in points from it; the first place that is clear is taken.
AROUND = np.array(
    [(6, 6), (-6, 6), (6, -6), (-6, -6), (10, 0), (-10, 0), (0, 10), (0, -10), (12, 12), (-12, -12)]
)
CLEAR_POINTS = 7.5  # between a number and the nearest point or number

Array = NDArray[np.float64]


class Panel(NamedTuple):
    """What one panel shows, by names of metrics: `across` on all images, `up` between groups.

    Higher is better across; `lower_is_better` says what is better up.
    """

    attribute: str
    across: str
    up: str
    up_title: str
    lower_is_better: bool


def draw(study: StudyResults, panels: Sequence[Panel]) -> Figure:
    """Draw one panel a data set (rows) and entry of `panels` (columns), a point a variant."""
    datasets, (width, height) = study.study.datasets, PANEL_INCHES
    wide = width * max(len(panels), FEWEST_WIDE)
    above = style.legend_inches(_legend_names(list(study.study.variants)), wide)
    figure = Figure((wide, above + height * len(datasets)))
    grid = figure.subplots(len(datasets), len(panels), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        panel = panels[j]
        across = values(study, datasets[i], panel.across, "all")
        up = values(study, datasets[i], panel.up, panel.attribute)
        _points(axes, across, up, study, lower_is_better=panel.lower_is_better)
        axes.set_xlabel(f"{metrics.title(panel.across)}, all images")
        axes.set_ylabel(panel.up_title)
        axes.set_title(style.named(study, panel.attribute, datasets[i]))
        style.tag(axes, datasets[i])
    style.legend(figure)
    return figure


def values(study: StudyResults, dataset: str, metric: str, attribute: str) -> pd.DataFrame:
    """Return value, ci_low and ci_high of the mean over labels, one row a variant."""
    of = study.summary
    here = (of["dataset"] == dataset) & (of["label"] == "mean") & (of["metric"] == metric)
    rows = of[here & (of["attribute"] == attribute)].set_index("variant")
    ends = rows[["value", "ci_low", "ci_high"]].astype("float64")
    return ends.reindex(list(study.study.variants))


def _points(
    axes: Axes,
    across: pd.DataFrame,
    up: pd.DataFrame,
    study: StudyResults,
    *,
    lower_is_better: bool,
) -> None:
    """Draw the variants with intervals in both directions; `values` gives both frames.

    Where there are more variants than colours, points are numbered as in the legend, so that they
    can be told apart in grey.
    """
    variants = list(study.study.variants)
    numbered = _numbered(variants)
    faint = 0.3 if numbered else 0.55
    looks = style.look(variants).items()
    for name, (variant, (colour, marker)) in zip(_legend_names(variants), looks, strict=True):
        x, y = across.loc[variant], up.loc[variant]
        axes.hlines(y["value"], x["ci_low"], x["ci_high"], color=colour, alpha=faint, linewidth=1.2)
        axes.vlines(x["value"], y["ci_low"], y["ci_high"], color=colour, alpha=faint, linewidth=1.2)
        axes.plot(x["value"], y["value"], marker, color=colour, label=name, markersize=6, zorder=3)
    axes.margins(0.12)
    places = np.column_stack([across["value"], up["value"]])
    if not np.isfinite(places).all(axis=1).any():
        _say_nothing(axes)
        return
    _shade_better_corner(axes, lower_is_better=lower_is_better)
    if numbered:
        number_points(axes, places)


def _numbered(variants: Sequence[str]) -> bool:
    return len(variants) > len(style.COLOURS)


def _legend_names(variants: Sequence[str]) -> list[str]:
    """Return variants as the legend names them."""
    return [f"{i} {name}" if _numbered(variants) else name for i, name in enumerate(variants, 1)]


def _say_nothing(axes: Axes) -> None:
    said = "undefined or hidden"
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=style.QUIET)


def number_points(axes: Axes, places: Array) -> None:
    """Write the number of each variant beside its point (n, 2), clear of others where it can be."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    taken = (places[there] - low) / (high - low) * INSIDE_POINTS
    for row, place in zip(there, taken.copy(), strict=True):
        gaps = np.linalg.norm(place + AROUND[:, None] - taken[None], axis=2).min(axis=1)
        shift = AROUND[int(np.argmax(np.minimum(gaps, CLEAR_POINTS)))]
        taken = np.vstack([taken, place + shift])
        axes.annotate(
            str(row + 1),
            places[row],
            shift,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=6.5,
            zorder=4,
        )


def _shade_better_corner(axes: Axes, *, lower_is_better: bool) -> None:
    """Tint the corner of the better ends of both measures."""
    ramp = np.linspace(0, 1, 64)
    height = ramp[::-1] if lower_is_better else ramp
    tint = np.zeros((64, 64, 4))
    tint[..., :3] = (0.0, 0.62, 0.45)
    tint[..., 3] = 0.16 * np.clip(ramp[None, :] + height[:, None] - 1, 0, 1)
    limits = (*axes.get_xlim(), *axes.get_ylim())
    axes.imshow(tint, extent=limits, origin="lower", aspect="auto", zorder=0)
    axes.set_xlim(limits[0], limits[1])
    axes.set_ylim(limits[2], limits[3])
