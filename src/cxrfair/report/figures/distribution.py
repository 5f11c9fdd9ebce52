"""What each training list holds of every group and label."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.rebalanced import NONE
from cxrfair.report import lists
from cxrfair.report._results import StudyResults
from cxrfair.report.figures import _style as style
from cxrfair.report.lists import LABELS, Holding
from cxrfair.studies import homes

TITLE = "What is trained on, before and after rebalancing"
CAPTION = (
    "Share of the known groups of each attribute among what is drawn from a training list, and "
    "share of entries that are positive for each label; one row a list of the study's first seed, "
    "the training images as they are (none) on top, whose shares are the marks on the bars below."
)
SECTION = "cohort"
BAR_INCHES, PANEL_INCHES, COLUMN_INCHES = 0.17, 0.55, 2.5
HIDDEN = "hidden"
LONGEST = 20  # letters of a group beside its bar
AS_IS, REBALANCED = style.QUIET, style.COLOURS[0]
SAID = ("Training images", "Rebalanced list", "Before")


def draw(study: StudyResults) -> Figure | None:
    """Draw one row a data set and list, one column an attribute, then labels; None without."""
    if study.rebalanced.empty:
        return None
    columns = [*study.study.attributes, LABELS]
    rows = [(dataset, name) for dataset in homes(study.study) for name in lists.names(study)]
    held = list(lists.holdings(study))
    most = max(len(each.rows) for each in held)
    width = 0.4 + COLUMN_INCHES * len(columns)
    height = len(rows) * (PANEL_INCHES + BAR_INCHES * most) + style.legend_inches(SAID, width)
    figure = Figure((width, height))
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col")
    before: dict[tuple[str, str], pd.Series] = {}
    for each in held:
        i, j = rows.index((each.dataset, each.rebalance)), columns.index(each.attribute)
        shares = _shares(each, study)
        _panel(grid[i, j], shares, before.get((each.dataset, each.attribute)))
        _name(grid[i, j], each, study)
        if each.rebalance == NONE:
            before[each.dataset, each.attribute] = shares
    for j, attribute in enumerate(columns):
        grid[-1, j].set_xlabel("Share positive" if attribute == LABELS else "Share")
        grid[-1, j].set_xlim(left=0)
    _legend(grid[0, 0])
    style.legend(figure)
    return figure


def _legend(axes: Axes) -> None:
    """Name what is drawn."""
    for colour, marker, said in zip((AS_IS, REBALANCED, style.INK), "ss|", SAID, strict=True):
        axes.plot([], [], marker, color=colour, markersize=7, label=said)


def _shares(held: Holding, study: StudyResults) -> pd.Series:
    """Return the share of each group among those known, or of each label among all entries."""
    weight = held.rows["weight"].astype("float64")
    if held.attribute != LABELS:
        return pd.Series((weight / weight.sum(skipna=False)).to_numpy(), held.rows["group"])
    whole = float(lists.everyone(study, held.dataset, held.rebalance)["weight"])
    named = [study.title(label) for label in held.rows["label"]]
    return pd.Series((weight / whole).to_numpy(), named)


def _panel(axes: Axes, shares: pd.Series, before: pd.Series | None) -> None:
    """Draw a bar a group, and where it ended before."""
    place, value = np.arange(len(shares)), shares.to_numpy(np.float64)
    axes.barh(place, value, height=0.68, color=AS_IS if before is None else REBALANCED)
    if before is not None:
        was = before.to_numpy(np.float64)
        axes.vlines(was, place - 0.45, place + 0.45, color=style.INK, linewidth=1.4)
    axes.set_yticks(place, [_short(str(name)) for name in shares.index], fontsize=7)
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for y in np.flatnonzero(np.isnan(value)).tolist():
        beside = axes.get_yaxis_transform()
        axes.text(0.03, y, HIDDEN, transform=beside, va="center", fontsize=6.5, color=style.QUIET)


def _short(name: str) -> str:
    """Cut a long name."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _name(axes: Axes, held: Holding, study: StudyResults) -> None:
    """Entitle a panel by its attribute and list, and say whose data it shows."""
    what = "Labels" if held.attribute == LABELS else study.title(held.attribute)
    of = f"{what}: {held.rebalance.replace('_', ' ')}"
    if len(homes(study.study)) > 1:
        of = f"{of} \N{MIDDLE DOT} {study.title(held.dataset)}"
    axes.set_title(of, fontsize=8)
    style.tag(axes, held.dataset)
