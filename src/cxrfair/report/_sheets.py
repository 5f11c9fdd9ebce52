"""A paper's tables as readers see them: data sets side by side, blocks under sub-headings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import pandas as pd

from cxrfair.report import _words as words
from cxrfair.report._present import Cell, state_of
from cxrfair.report._results import StudyResults
from cxrfair.report.footnotes import Footnote, Place
from cxrfair.report.references import Column, GroupTable, PaperTable
from cxrfair.studies import SEPARATOR

BY_PLACE = {"table", "block", "row"}  # columns of a table that has a paper's layout
BY_GROUP = {"table", "group", "n_paper"}  # of one that has the layout of its counts
NOT_RUN = "not run"
OF_ROW = ({"row"}, {"block", "row"})
OF_HEADINGS = ({"metric"}, {"metric", "dataset"})
NOT_OF_CELLS = (*OF_ROW, *OF_HEADINGS, {"dataset"}, {"block"})
Mark = tuple[str, Footnote]  # its letter


@dataclass(frozen=True)
class Heading:
    """A heading, with the letters of its footnotes."""

    text: str
    marks: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class Line:
    """A row: what the paper calls it, our variant, and its numbers, data set by data set."""

    heading: Heading
    variant: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Band:
    """The rows under one sub-heading."""

    heading: Heading
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Sheet:
    """One table of a paper, ready to be set in HTML or LaTeX.

    `headings` are those of the columns, all of the first data set's first; `footnotes` are (letter,
    text), without a letter where they are of the whole table.
    """

    number: str
    caption: str
    datasets: tuple[Heading, ...]
    headings: tuple[Heading, ...]
    bands: tuple[Band, ...]
    footnotes: tuple[tuple[str, str], ...]

    @property
    def simulated(self) -> tuple[str, ...]:
        """The data sets of it that are phantoms."""
        return tuple(heading.text for heading in self.datasets if heading.simulated)


def sheets(frame: pd.DataFrame, study: StudyResults) -> list[Sheet]:
    """Lay out what `tables.paper.make` gives, one sheet for each table that has rows."""
    of = [] if study.paper is None else study.paper.tables
    rows = {table.number: frame[frame["table"] == table.number] for table in of}
    return [_sheet(rows[table.number], table, study) for table in of if len(rows[table.number])]


def group_sheets(frame: pd.DataFrame, study: StudyResults) -> list[Sheet]:
    """Lay out what `tables.paper_groups.make` gives: one sheet, its groups and their total."""
    table = None if study.paper is None else study.paper.groups
    if table is None or frame.empty:
        return []
    attributes = table.attribute.split(SEPARATOR)
    names = [str(name) for name in frame]
    counts = [name for name in names if name.startswith("n_") and name != "n_paper"]
    told = [note for note in table.footnotes if note.at]
    marks = list(zip(ascii_lowercase, told, strict=False))
    of = frame.groupby("group", sort=False)
    lines = [_counted(rows, attributes, counts, table, marks) for _, rows in of]
    datasets = list(frame["dataset"].unique())
    return [
        Sheet(
            number=table.number,
            caption=table.caption,
            datasets=tuple(Heading(study.title(d), "", d in study.simulated) for d in datasets),
            headings=tuple(
                Heading(words.heading(name, study)) for _ in datasets for name in counts
            ),
            bands=(Band(Heading(", ".join(map(study.title, attributes))), tuple(lines)),),
            footnotes=tuple(
                [("", note.text) for note in table.footnotes if not note.at]
                + [(letter, note.text) for letter, note in marks]
            ),
        )
    ]


def _counted(
    rows: pd.DataFrame,
    attributes: Sequence[str],
    counts: Sequence[str],
    table: GroupTable,
    marks: Sequence[Mark],
) -> Line:
    """Make the row of one group, data set by data set; below our images stand the paper's."""
    group = str(rows["group"].iloc[0])
    called = [name for name in rows[list(attributes)].iloc[0] if name]
    is_ours = group in {row.group for row in table.rows}
    cells = tuple(
        _count(row[name], row["n_paper"] if name == counts[0] else None)
        for row in rows.to_dict("records")
        for name in counts
    )
    heading = _heading(", ".join(called), marks, OF_ROW, row=group)
    return Line(heading, group if is_ours else "", cells)


def _count(ours: Any, paper: Any) -> Cell:
    """Make the cell of a number of images or patients; an empty one is hidden."""
    printed = "" if pd.isna(paper) else words.count(paper)
    if pd.isna(ours):
        return Cell(words.HIDDEN, state="hidden", is_number=True, printed=printed)
    return Cell(words.count(ours), is_number=True, printed=printed)


def _sheet(rows: pd.DataFrame, table: PaperTable, study: StudyResults) -> Sheet:
    """Lay out one table."""
    marks = _marks(rows, table)
    bands = []
    for block, within in rows.groupby("block", sort=False):
        of_block = _heading(_block_title(str(block), table), marks, [{"block"}], block=str(block))
        lines = (_line(of, table, marks) for _, of in within.groupby("row", sort=False))
        bands.append(Band(of_block, tuple(lines)))
    return Sheet(
        number=table.number,
        caption=table.caption,
        datasets=tuple(_datasets(study, marks)),
        headings=tuple(
            _heading(column.heading, marks, OF_HEADINGS, metric=column.metric, dataset=dataset)
            for dataset in study.study.datasets
            for column in table.columns
        ),
        bands=tuple(bands),
        footnotes=tuple(
            [("", note.text) for note in table.footnotes if not note.at]
            + [(letter, note.text) for letter, note in marks]
        ),
    )


def _marks(rows: pd.DataFrame, table: PaperTable) -> list[Mark]:
    """Give letters to the footnotes that stand on something of the table as it is shown."""
    places = [
        {str(field): str(name) for field, name in place.items()}
        for place in rows[["block", "row", "dataset", "metric"]].to_dict("records")
    ]
    told = [note for note in table.footnotes if any(note.concerns(place) for place in places)]
    return list(zip(ascii_lowercase, told, strict=False))


def _block_title(attribute: str, table: PaperTable) -> str:
    """Return the paper's heading of a block, or one of our own for an attribute it has not."""
    headings = {block.attribute: block.heading for block in table.blocks}
    plain = attribute.replace("_", " ")
    kind = "Intersection subgroup" if SEPARATOR in attribute else "Individual subgroup"
    return headings.get(attribute, f"{kind}: {plain} (not in the paper)")


def _datasets(study: StudyResults, marks: Sequence[Mark]) -> Iterator[Heading]:
    """Yield the headings over the columns of each data set."""
    for name in study.study.datasets:
        found = _heading(study.title(name), marks, [{"dataset"}], dataset=name)
        yield Heading(found.text, found.marks, name in study.simulated)


def _heading(text: str, marks: Sequence[Mark], kinds: Sequence[set[str]], **place: str) -> Heading:
    """Return a heading with the letters of the footnotes that stand on places of its kinds."""
    return Heading(text, _letters(marks, place, kinds))


def _letters(marks: Sequence[Mark], place: Mapping[str, str], kinds: Sequence[set[str]]) -> str:
    """Return the letters of the footnotes on a place that give just what one of `kinds` does."""

    def stands(at: Place) -> bool:
        return set(at.given) in kinds and at.given.items() <= place.items()

    return ",".join(letter for letter, note in marks if any(map(stands, note.at)))


def _line(rows: pd.DataFrame, table: PaperTable, marks: Sequence[Mark]) -> Line:
    """Make one row of a block from its numbers, in the order of data sets and columns."""
    records = [{str(key): of for key, of in record.items()} for record in rows.to_dict("records")]
    first = records[0]
    columns = {column.metric: column for column in table.columns}
    return Line(
        _heading(first["row"], marks, OF_ROW, row=first["row"], block=first["block"]),
        "" if pd.isna(first["variant"]) else first["variant"],
        tuple(_cell(record, columns[record["metric"]], marks) for record in records),
    )


def _cell(record: Mapping[str, Any], column: Column, marks: Sequence[Mark]) -> Cell:
    """Make the cell of one number, in the unit of the paper."""
    place = {field: record[field] for field in Place.model_fields}
    kinds = [set(at.given) for _, note in marks for at in note.at]
    letters = _letters(marks, place, [kind for kind in kinds if kind not in NOT_OF_CELLS])
    note = record["note"] if isinstance(record["note"], str) else ""
    value, low, high, paper = (
        record[part] / column.unit for part in ("value", "ci_low", "ci_high", "paper")
    )
    printed = "" if pd.isna(paper) else words.number(paper, column.digits)
    if note == NOT_RUN:
        return Cell(NOT_RUN, state="absent", is_number=True, printed=printed, marks=letters)
    if pd.isna(value):
        state = state_of(note)
        return Cell(state, "", "", "", note, state, True, printed, letters)
    between = "" if pd.isna(low + high) else words.interval(low, high, column.digits)
    text = words.number(value, column.digits)
    return Cell(text, between, note=note, is_number=True, printed=printed, marks=letters)
