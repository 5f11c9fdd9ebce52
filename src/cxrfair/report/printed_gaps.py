"""A paper's table of gaps between groups, without and with guidance, over repeated trainings."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, model_validator
from scipy.special import stdtrit

from cxrfair.config import Section
from cxrfair.report.footnotes import Count, Footnote, Place, Text
from cxrfair.studies import Name

Kind = Literal["without", "aligned"]
KINDS: tuple[Kind, ...] = ("without", "aligned")
Spread = tuple[FiniteFloat, NonNegativeFloat]  # what is printed before and behind a plus-minus


class GapColumn(Section):
    """A column: our metric (or `hit_rate`), and how the paper heads it.

    A printed 1 is `unit` of ours (0.01 for per cent). Less is better, unless `more_is_better`.
    """

    metric: Name
    heading: Text
    unit: PositiveFloat = 1.0
    more_is_better: bool = False


class GapRow(Section):
    """Two rows of the paper: one data set, label and attribute, without guidance and with it.

    `without` and `aligned` hold one mean and its plus-minus a column, `bold` which of both is
    printed as the better one.
    """

    dataset: Name
    label: Name
    attribute: Text
    without: tuple[Spread, ...]
    aligned: tuple[Spread, ...]
    bold: tuple[Kind, ...]


class GapPlace(Place):
    """Where a footnote stands; `block` is an attribute, `row` is `without` or `aligned`."""

    row: Kind | None = None
    label: Name | None = None


class GapNote(Footnote):
    """What is known of some places of such a table; of the whole table where `at` is empty."""

    at: tuple[GapPlace, ...] = ()


class Claimed(Section):
    """How many of how many comparisons the paper says are better with guidance."""

    better: Count
    of: Count


class Compared(NamedTuple):
    """What a pair of printed means says: `gain` is how much better guidance is, in our unit.

    `surely` is 1 where it is better by the paper's own plus-minus, -1 where it is worse, else 0.
    """

    dataset: str
    label: str
    attribute: str
    metric: str
    gain: float
    surely: int


class GapTable(Section):
    """A paper's table of gaps; `named` is what it calls both kinds of rows.

    Each printed mean is over `repeats` trainings.
    """

    number: Text
    caption: Text
    named: dict[Kind, Text]
    repeats: Annotated[int, Field(ge=2)]
    claimed: Claimed
    columns: tuple[GapColumn, ...] = Field(min_length=1)
    rows: tuple[GapRow, ...] = Field(min_length=1)
    footnotes: tuple[GapNote, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        faults = [*_name_faults(self), *_row_faults(self), *_place_faults(self)]
        if faults:
            raise ValueError("; ".join(f"{self.number}: {fault}" for fault in faults))
        return self

    def said(self, row: GapRow, kind: Kind, metric: str) -> str:
        """Return what is known of one printed number; empty where nothing is."""
        place = {
            **{"block": row.attribute, "row": kind, "dataset": row.dataset},
            **{"label": row.label, "metric": metric},
        }
        return " ".join(note.text for note in self.footnotes if note.concerns(place))

    def compared(self, confidence: float) -> list[Compared]:
        """Set the rows with guidance against those without, column by column.

        `confidence` is that of the interval of a difference (`surely`).
        """
        found = []
        for row in self.rows:
            pairs = zip(self.columns, row.without, row.aligned, strict=True)
            for column, before, after in pairs:
                sign = column.unit if column.more_is_better else -column.unit
                gain = sign * (after[0] - before[0])
                sure = surely(before, after, self.repeats, confidence)
                told = int(math.copysign(sure, gain)) if gain else 0
                place = (row.dataset, row.label, row.attribute, column.metric)
                found.append(Compared(*place, gain, told))
        return found


def surely(first: Spread, second: Spread, repeats: int, confidence: float) -> bool:
    """Tell whether the interval of the difference of two means leaves out 0 (Welch 1947).

    Parameters
    ----------
    first, second
        Mean and standard deviation over `repeats` trainings each.
    confidence
        Of the interval, whose half is t sqrt((s1^2 + s2^2) / repeats), t with the degrees of
        freedom of Welch and Satterthwaite. Without any spread every difference counts.
    """
    parts = [spread**2 / repeats for _, spread in (first, second)]
    apart = abs(first[0] - second[0])
    if not any(parts):
        return apart > 0
    freedom = sum(parts) ** 2 * (repeats - 1) / sum(part**2 for part in parts)
    return bool(apart > stdtrit(freedom, (1 + confidence) / 2) * math.sqrt(sum(parts)))


def _name_faults(table: GapTable) -> Iterator[str]:
    """Say where kinds of rows have no name, and what is listed twice."""
    if missing := [kind for kind in KINDS if kind not in table.named]:
        yield f"named: nothing of {missing}; there must be one of each of {list(KINDS)}"
    places = [(row.dataset, row.label, row.attribute) for row in table.rows]
    for field, of in (("columns", [c.metric for c in table.columns]), ("rows", places)):
        if len(set(of)) < len(of):
            yield f"{field} holds an entry twice: {of}"


def _row_faults(table: GapTable) -> Iterator[str]:
    """Say where a row has too few or too many numbers."""
    width = len(table.columns)
    for row in table.rows:
        counts: Mapping[str, int] = {
            **{"without": len(row.without), "aligned": len(row.aligned), "bold": len(row.bold)}
        }
        where = f"{row.dataset}, {row.label}, {row.attribute}"
        for field, n in counts.items():
            if n != width:
                yield f"{where}, {field}: {n} entries; there are {width} columns"


def _place_faults(table: GapTable) -> Iterator[str]:
    """Say where a footnote stands on what the table does not have."""
    have = {
        "block": {row.attribute for row in table.rows},
        "row": set[str](KINDS),
        "dataset": {row.dataset for row in table.rows},
        "label": {row.label for row in table.rows},
        "metric": {column.metric for column in table.columns},
    }
    for place in (place for note in table.footnotes for place in note.at):
        if not place.given:
            yield "a footnote on no place; leave `at` out for one of the whole table"
        for field, name in place.given.items():
            if name not in have[field]:
                yield f"a footnote on {field} {name!r}; have {sorted(have[field])}"
