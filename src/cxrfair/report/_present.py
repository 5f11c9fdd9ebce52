"""A tidy table as readers see it: values with their intervals in one cell, words for codes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from cxrfair.report import _words as words
from cxrfair.report._results import StudyResults

PARTS = ("_low", "_high", "_difference", "_difference_low", "_difference_high", "_note")
COMPARED = ("difference", "reduction", "original")  # in names of columns
CODES = ("dataset", "label", "attribute", "group")  # columns whose entries are names
State = Literal["", "undefined", "hidden", "repeat", "absent"]


@dataclass(frozen=True)
class Cell:
    """One cell: text, what stands below it, and what is said of it.

    `printed` is what a paper prints in its place, `marks` the letters of footnotes.
    """

    text: str
    interval: str = ""
    difference: str = ""
    difference_interval: str = ""
    note: str = ""
    state: State = ""
    is_number: bool = False
    printed: str = ""
    marks: str = ""


@dataclass(frozen=True)
class Shown:
    """A table of one data set, ready to be set in HTML or LaTeX."""

    dataset: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def split(frame: pd.DataFrame, study: StudyResults) -> list[Shown]:
    """Make one table of each data set, in the study's order."""
    found = []
    for dataset in study.study.datasets:
        rows = frame[frame["dataset"] == dataset].drop(columns="dataset")
        if len(rows):
            found.append(present(rows, dataset, study))
    return found


def present(rows: pd.DataFrame, dataset: str, study: StudyResults) -> Shown:
    """Turn the rows of one data set into cells."""
    names = [str(name) for name in rows.columns]
    bases = [n for n in names if not any(n == f"{m}{part}" for m in names for part in PARTS)]
    cells = [tuple(_cell(name, row, study) for name in bases) for row in rows.to_dict("records")]
    headings = tuple(words.heading(name, study) for name in bases)
    return Shown(dataset, headings, tuple(_without_repeats(cells)))


def captioned(caption: str, columns: Iterable[str], study: StudyResults) -> str:
    """Add to the caption of a table of differences which are not from the study's reference."""
    own = {name: of.against for name, of in study.study.variants.items() if of.against}
    if not own or not any(part in name for name in columns for part in COMPARED):
        return caption
    said = "; ".join(f"{name} from {other}" for name, other in own.items())
    return f"{caption} Differences that are not from the study's reference: {said}."


def _cell(name: str, row: Mapping[Any, Any], study: StudyResults) -> Cell:
    """Make the cell of column `name` in a row."""
    value, note = row[name], row.get(f"{name}_note")
    said = str(note) if isinstance(note, str) else ""
    if isinstance(value, str):
        return Cell(study.title(value) if name in CODES else value)
    if name in ("seed", "draw"):
        return Cell(str(value), is_number=True)
    counted = name.startswith(("n_", "images_", "patients_")) or name.endswith(
        ("_positive", "_uncertain")
    )
    if counted or name == "n":
        return _nothing(name, said) if pd.isna(value) and said else _count(value)
    if value is None or pd.isna(value):
        return _nothing(name, said)
    if name.startswith("p_"):
        return Cell(words.chance(value), note=said, is_number=True)
    return Cell(
        words.number(value),
        interval=_range(row, name, words.interval),
        difference=_difference(row, f"{name}_difference"),
        difference_interval=_range(row, f"{name}_difference", words.signed_interval),
        note=said,
        is_number=True,
    )


def _nothing(name: str, note: str) -> Cell:
    """Make an empty cell: a text that is not there, or a number that is hidden or undefined."""
    if name in ("why", "note") or note == "not applicable":
        return Cell("")
    state = state_of(note)
    return Cell(state, note=note, state=state, is_number=True)


def state_of(note: str) -> State:
    """Say why a number is not there, from its note."""
    return "hidden" if note.startswith(words.HIDDEN) else "undefined"


def _count(value: Any) -> Cell:
    """Make the cell of a number of things; an empty one is hidden."""
    if pd.isna(value):
        return Cell(words.HIDDEN, state="hidden", is_number=True)
    return Cell(words.count(value), is_number=True)


def _range(row: Mapping[Any, Any], name: str, write: Any) -> str:
    """Write the interval beside a value, if there is one."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return ""
    return str(write(low, high))


def _difference(row: Mapping[Any, Any], name: str) -> str:
    """Write a difference from the reference, if there is one."""
    value = row.get(name)
    if value is None or pd.isna(value):
        return ""
    return words.signed(value)


def _without_repeats(rows: list[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    """Mark leading cells that repeat the row above, up to the first that differs."""
    found = []
    above: tuple[Cell, ...] = ()
    for row in rows:
        same = 0
        while same < len(above) - 1 and row[same].text == above[same].text:
            same += 1
        found.append(tuple(Cell(c.text, state="repeat") for c in row[:same]) + row[same:])
        above = row
    return found
