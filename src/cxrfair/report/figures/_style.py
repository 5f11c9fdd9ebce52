"""One look for all figures, and the tag that says whose data an axes shows."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrfair.report._results import StudyResults

# Okabe & Ito 2008: told apart with any colour vision, and by shape in grey. The shapes are those
# that can be filled and told apart; with seven colours no two of 91 variants look alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "*", "p", "d", "h")
INK, QUIET, RULE = "#1b2733", "#5b6875", "#d9dfe5"
TAG = "dataset:"
ENTRY_INCHES, LETTER_INCHES = 0.6, 0.075  # of a legend: an entry without its name, and a letter
ROW_INCHES, TOP_INCHES = 0.2, 0.4  # of a legend: a row of entries, and what else is above panels
# What the corner may say of simulated data: beside a legend of one row that leaves the room, else
# above it.
NOTE_INCHES, NOTE_WIDE_INCHES = 0.12, 2.2
COMFORTABLE = 5  # variants that one row of usual height holds
LONGEST = 26  # letters of a data set in a title, which must not run into the next

RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titley": 1.0,  # where it goes by itself, which takes every drawing time to find out
    "axes.titleweight": "bold",
    "figure.dpi": 170,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e9edf1",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "pdf.fonttype": 42,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}


def look(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give each variant a colour and a marker, the same in every figure of a study."""
    return {
        name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)
    }


def legend(figure: Figure) -> None:
    """Name above all panels what the first one shows, in as many rows as the width asks for."""
    handles, names = figure.axes[0].get_legend_handles_labels()
    width, height = figure.get_size_inches()
    columns = _columns(names, width)
    one_row = sum(ENTRY_INCHES + LETTER_INCHES * len(name) for name in names)
    beside = columns == len(names) and one_row + NOTE_WIDE_INCHES <= width
    top = 1.0 if beside else 1 - NOTE_INCHES / height
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        bbox_to_anchor=(0, 0, 1, top),
        ncols=columns,
        markerscale=1.2,
    )


def legend_inches(names: Sequence[str], width: float) -> float:
    """Return the height that a figure of that width (inches) needs for such a legend."""
    return TOP_INCHES + ROW_INCHES * -(-len(names) // _columns(names, width))


def row_inches(few: float, variants: int) -> float:
    """Return the height of a row in which variants lie below each other: more for many."""
    return few * max(1.0, variants / COMFORTABLE)


def _columns(names: Sequence[str], width: float) -> int:
    each = ENTRY_INCHES + LETTER_INCHES * max(map(len, names))
    return max(1, min(len(names), int(width / each)))


def named(study: StudyResults, what: str, dataset: str) -> str:
    """Entitle a panel; with its data set only where there are others."""
    if len(study.study.datasets) == 1:
        return study.title(what)
    of = textwrap.shorten(study.title(dataset), LONGEST, placeholder="\N{HORIZONTAL ELLIPSIS}")
    return f"{study.title(what)} \N{MIDDLE DOT} {of}"


def tag(axes: Axes, *datasets: str) -> None:
    """Say which data sets an axes shows, so that a phantom's can be stamped."""
    axes.set_gid(TAG + " ".join(datasets))


def datasets_of(axes: Axes) -> frozenset[str]:
    """Return the data sets an axes was tagged with."""
    gid = axes.get_gid() or ""
    return frozenset(gid.removeprefix(TAG).split() if gid.startswith(TAG) else ())
