"""CSV files of a source: read as text, checked cell by cell, only then converted."""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TextIO

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaErrors

from cxrfair.errors import CxrfairError

SHOWN = 5  # findings named in one message
PIECE = 20_000  # rows in memory as lists
TEXT = pa.large_string()


class SourceError(CxrfairError):
    """A file of a data set is missing, damaged or holds what it must not."""


def words(allowed: Iterable[str], *, blank: bool = False) -> pandera.Column:
    """Describe a column that holds one of a few words."""
    known = list(allowed)
    return cells(lambda text: text.isin(known), ", ".join(known), blank=blank)


def pattern(regex: str, says: str, *, blank: bool = False, unique: bool = False) -> pandera.Column:
    """Describe a column whose cells match `regex` as a whole."""
    return cells(lambda text: text.str.fullmatch(regex), says, blank=blank, unique=unique)


def number(says: str) -> pandera.Column:
    """Describe a column of finite decimal numbers."""
    return pattern(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", says)


def time(layout: str, says: str, *, blank: bool = False) -> pandera.Column:
    """Describe a column of dates or times in one `strptime` layout."""
    return cells(
        lambda text: pd.to_datetime(text, format=layout, errors="coerce").notna(), says, blank=blank
    )


def cells(
    holds: Callable[[pd.Series], pd.Series], says: str, *, blank: bool = False, unique: bool = False
) -> pandera.Column:
    """Describe a column by a test of its filled cells; `says` tells a person what is allowed."""
    error = f"allowed: {says}{' or blank' if blank else ''}"
    return pandera.Column(checks=pandera.Check(holds, error=error), nullable=blank, unique=unique)


def locate(root: Path, *names: str) -> Path:
    """Find the first of `names` below `root`, plain or gzipped.

    Raises
    ------
    SourceError
        If none exists, listing what was looked for.
    """
    found = locate_optional(root, *names)
    if found is None:
        wanted = ", ".join(names)
        raise SourceError(f"{root}: a table is missing; looked for {wanted} (plain or .gz)")
    return found


def locate_optional(root: Path, *names: str) -> Path | None:
    """Find the first of `names` below `root`, plain or gzipped; None if there is none."""
    choices = (root / f"{name}{suffix}" for name in names for suffix in ("", ".gz"))
    return next((path for path in choices if path.is_file()), None)


def header(path: Path) -> tuple[str, ...]:
    """Name the columns of a file, without trailing empty ones."""
    return tuple(_names(_cells(path), path))


def read(path: Path, columns: Mapping[str, pandera.Column]) -> pd.DataFrame:
    """Load the named columns as text, check them, and give them back as text; blank is missing.

    Returns
    -------
    DataFrame
        The named columns in that order, indexed by the line in the file (header = line 1).

    Raises
    ------
    SourceError
        If the file is damaged, a column is missing or a cell breaks its column's promise; naming
        file, row, column, value and what is allowed, for the first few findings.
    """
    cells = _cells(path)
    names = _names(cells, path)
    if lacking := [name for name in columns if name not in names]:
        raise SourceError(f"{path}: no column {lacking}; has {', '.join(names)}")
    places = [names.index(name) for name in columns]
    lines: list[int] = []
    parts: list[list[pa.Array]] = [[] for _ in columns]
    for numbers, rows in _pieces(cells, len(names), path):
        lines.extend(numbers)
        for part, place in zip(parts, places, strict=True):
            part.append(pa.array([row[place] or None for row in rows], TEXT))
    whole = [pa.chunked_array(part, TEXT).combine_chunks() for part in parts]
    frame: pd.DataFrame = pa.table(whole, list(columns)).to_pandas()
    return _checked(frame.set_axis(pd.Index(lines, dtype="int64")), columns, path)


def read_lines(path: Path) -> pd.Series:
    """Load a headerless list, one entry a line, indexed by line; blank lines are left out.

    Raises
    ------
    SourceError
        If an entry is there twice or the file is damaged.
    """
    text = pd.Series({i: row[0] for i, row in enumerate(_cells(path), 1) if row}, dtype="str")
    twice = text[text.duplicated()]
    if len(twice):
        raise SourceError(
            f"{path} row {twice.index[0]}: {twice.iloc[0]!r} is listed twice; "
            f"an entry may be listed once ({len(twice)} rows)"
        )
    return text


def _names(cells: Iterator[list[str]], path: Path) -> list[str]:
    """Take the header off, without its trailing empty columns."""
    names = [name.strip() for name in next(cells, [])]
    while names and not names[-1]:
        names.pop()
    if not names or len(set(names)) < len(names):
        raise SourceError(f"{path}: the header is {names}; every column needs a name of its own")
    return names


def _pieces(
    cells: Iterator[list[str]], width: int, path: Path
) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Yield lines and rows some thousands at a time, each as wide as the header's named part.

    Rows as lists of Python words take much more memory than as text of a column.
    """
    first = 2
    while rows := list(islice(cells, PIECE)):
        for line, row in enumerate(rows, first):
            if any(row[width:]) or (len(row) < width and any(row)):
                raise SourceError(f"{path} row {line}: {len(row)} cells; the header has {width}")
        filled = [i for i, row in enumerate(rows) if any(row)]
        yield [first + i for i in filled], [rows[i] for i in filled]
        first += len(rows)


def _cells(path: Path) -> Iterator[list[str]]:
    """Parse a plain or gzipped CSV file, telling damage in our own words."""
    try:
        with _open(path) as stream:
            yield from csv.reader(stream, strict=True)
    except (csv.Error, EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise SourceError(f"{path}: cannot be read ({error}); a whole CSV file is needed") from None


def _open(path: Path) -> TextIO:
    """Open a plain or gzipped file as text."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _checked(
    frame: pd.DataFrame, columns: Mapping[str, pandera.Column], path: Path
) -> pd.DataFrame:
    """Return `frame` if every cell keeps its column's promise."""
    try:
        pandera.DataFrameSchema(dict(columns)).validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise SourceError(_explain(errors.failure_cases, columns, path)) from None
    return frame


def _explain(cases: pd.DataFrame, columns: Mapping[str, pandera.Column], path: Path) -> str:
    """Say pandera's findings in our form: one line for each column and check, earliest first."""
    kinds = [rows.sort_values("index") for _, rows in cases.groupby(["column", "check"])]
    kinds.sort(key=lambda rows: int(rows["index"].iloc[0]))
    lines = []
    for rows in kinds[:SHOWN]:
        first = rows.iloc[-1 if rows["check"].iloc[0] == "field_uniqueness" else 0]
        where = f"{path} row {first['index']}, column {first['column']!r}"
        value = "blank" if pd.isna(first["failure_case"]) else repr(first["failure_case"])
        says = _says(str(first["check"]), columns[str(first["column"])], rows)
        lines.append(f"{where}: {value}; {says} ({len(rows)} rows)")
    if len(kinds) > SHOWN:
        lines.append(f"{path}: and {len(kinds) - SHOWN} more kinds of error")
    return "\n".join(lines)


def _says(check: str, column: pandera.Column, rows: pd.DataFrame) -> str:
    """Say what is allowed, by the check that failed."""
    if check == "field_uniqueness":
        return f"allowed: each value once, here again after row {rows['index'].iloc[0]}"
    if check == "not_nullable":
        return "; ".join(str(c.error) for c in column.checks) + ", not blank"
    return check
