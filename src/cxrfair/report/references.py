"""What a paper prints: its tables and claims, number by number, with what is wrong with them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Literal, Self

import yaml
from pydantic import Field, FiniteFloat, PositiveFloat, ValidationError, model_validator

from cxrfair import comparisons, metrics
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.report.footnotes import Count, Footnote, Text
from cxrfair.report.printed_gaps import GapTable
from cxrfair.statistics import balance
from cxrfair.statistics.cells import ALL
from cxrfair.studies import SEPARATOR, Name

BALANCES = {
    "gini": balance.gini,
    "gini_simpson": balance.gini_simpson,
    "entropy": balance.entropy,
}
EXAMPLES = "examples"


class PrintedError(CxrfairError):
    """A file of printed numbers that contradicts itself or names what does not exist."""


class Column(Section):
    """One column under each data set: a metric of ours, and how the paper heads and writes it.

    A metric by itself is that of all test images; a form of one (`auroc_gap`) or a comparison is
    between the groups of the block. A printed 1 is `unit` of ours (0.01 for per cent); `digits`
    stand after the point.
    """

    metric: Name
    heading: Text
    unit: PositiveFloat = 1.0
    digits: Count = 3

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        base, _ = metrics.split_name(self.metric)
        if self.metric not in comparisons.names() and base not in metrics.names():
            have = ", ".join((*comparisons.names(), *metrics.names()))
            raise ValueError(f"no metric {self.metric!r}; have {have}, and forms of the latter")
        return self

    @property
    def compares(self) -> bool:
        """Whether it sets the groups of the block against one another."""
        return self.metric in comparisons.names() or metrics.split_name(self.metric)[1] is not None


class Block(Section):
    """Rows under a sub-heading, of one attribute."""

    attribute: Text
    heading: Text


class Row(Section):
    """A row of the paper, and our variant of it: one for all blocks, or one for each attribute.

    `printed` holds, by attribute and data set, one number a column; None where none is printed.
    """

    name: Text
    variant: Name | dict[str, Name]
    printed: dict[str, dict[Name, tuple[FiniteFloat | None, ...]]]


class PaperTable(Section):
    """One table of a paper. Our numbers are of `label`, `mean` being the mean over labels."""

    number: Text
    caption: Text
    label: Name = "mean"
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[Footnote, ...] = Field((), max_length=len(ascii_lowercase))

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names a place may give, by field of `Place`; data sets are those printed."""
        printed = [of for row in self.rows for of in row.printed.values()]
        return {
            "block": tuple(block.attribute for block in self.blocks),
            "row": tuple(row.name for row in self.rows),
            "dataset": tuple(dict.fromkeys(dataset for of in printed for dataset in of)),
            "metric": tuple(column.metric for column in self.columns),
        }

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        faults = [*_list_faults(self.names), *_row_faults(self), *_place_faults(self)]
        if faults:
            raise ValueError("; ".join(f"{self.number}: {fault}" for fault in faults))
        return self


class Group(Section):
    """One counted group: our name of it, the paper's for each part of that, and its images."""

    group: Text
    called: tuple[Text, ...]
    printed: Count


class GroupTable(Section):
    """How many images of a data set a paper counts in each group of an attribute.

    Every crossing of the groups' parts is there. `total` is as printed, whatever the groups add up
    to. A footnote stands on a `row`: a group by our name, or `all`, the total.
    """

    number: Text
    caption: Text
    dataset: Name
    attribute: Text
    rows: tuple[Group, ...]
    total: Count
    footnotes: tuple[Footnote, ...] = Field((), max_length=len(ascii_lowercase))

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names a place may give, by field of `Place`."""
        return {"row": (*(row.group for row in self.rows), ALL)}

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        named = {"rows": [row.group for row in self.rows]}
        faults = [*_list_faults(named), *_group_faults(self), *_place_faults(self)]
        if faults:
            raise ValueError("; ".join(f"{self.number}: {fault}" for fault in faults))
        return self


class Claim(Section):
    """A number that a paper says in its text, of what became of a metric from a first variant on.

    `change` is how `printed` is meant: a difference, or the share of the first variant's number by
    which it fell (`reduction`) or rose (`increase`). `metric` is one of SUMMARY, a mean over
    labels: of all test images, of the groups of `attributes` set against one another, or, with
    `minorities`, the mean over all groups of an attribute but its largest. Or it is one of the
    training lists: a measure of `statistics.balance`, of `attributes`, or `examples`, how many
    were learnt from in all. None says that we do not measure it, and `note` why.
    """

    says: Text
    where: Text
    metric: Name | None
    change: Literal["difference", "reduction", "increase"]
    printed: FiniteFloat
    variants: tuple[Name, ...] = Field(min_length=1)
    attributes: tuple[Text, ...] = (ALL,)
    minorities: bool = False
    note: Text | None = None

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.metric is None and self.note is None:
            raise ValueError("no metric and no note; a note must say why there is no metric")
        of_lists = (*BALANCES, EXAMPLES)
        if self.metric not in (None, *of_lists):
            Column(metric=str(self.metric), heading=self.says)
        return self


class Reference(Section):
    """A paper, its tables, counts of groups, gaps and claims: one file of workflow/references."""

    title: Text
    citation: Text
    tables: tuple[PaperTable, ...] = ()
    groups: GroupTable | None = None
    gaps: GapTable | None = None
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        every = (*self.tables, self.groups, self.gaps)
        numbers = [table.number for table in every if table is not None]
        faults = list(_list_faults({"tables": numbers} if numbers or not self.claims else {}))
        if faults:
            raise ValueError("; ".join(faults))
        return self


def read(path: Path) -> Reference:
    """Read the printed numbers of one paper.

    Raises
    ------
    PrintedError
        Naming the file and every key of it that is wrong.
    """
    try:
        text = json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")))
        return Reference.model_validate_json(text)
    except yaml.YAMLError as error:
        raise PrintedError(f"{path.name}: {error}") from None
    except ValidationError as error:
        lines = [
            f"{path.name} {'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        raise PrintedError("\n".join(lines)) from None


def _list_faults(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Name lists that are empty, or hold something more than once.

    pydantic would call a list too short whose entries it has refused.
    """
    for field, of in names.items():
        if not of:
            yield f"no {field}; there must be at least one"
        if len(set(of)) < len(of):
            yield f"{field} holds an entry twice: {list(of)}"


def _row_faults(table: PaperTable) -> Iterator[str]:
    """Say where a row has numbers for no block, too few or too many, or no variant for a block."""
    blocks, width = table.names["block"], len(table.columns)
    for row in table.rows:
        variants = set(blocks) if isinstance(row.variant, str) else set(row.variant)
        if variants != set(blocks):
            yield f"{row.name}: variants of {sorted(variants)}; allowed: one of each of {blocks}"
        odd = [attribute for attribute in row.printed if attribute not in blocks]
        yield from (f"{row.name}: printed of {name!r}; blocks are {blocks}" for name in odd)
        of = [(name, *each) for name, inside in row.printed.items() for each in inside.items()]
        for attribute, dataset, numbers in of:
            if len(numbers) != width:
                where = f"{row.name}, {attribute}, {dataset}"
                yield f"{where}: {len(numbers)} numbers; there are {width} columns"


def _group_faults(table: GroupTable) -> Iterator[str]:
    """Say where groups are not the crossings of the attribute's parts, or names do not match."""
    attributes, ours = table.attribute.split(SEPARATOR), []
    named = [(row.group.split(SEPARATOR), row.called) for row in table.rows]
    for group, called in named:
        if not len(group) == len(called) == len(attributes):
            yield f"{group} called {list(called)}; {table.attribute} needs one name a part"
            return
    for place, attribute in enumerate(attributes):
        pairs = list(dict.fromkeys((group[place], called[place]) for group, called in named))
        ours.append(list(dict.fromkeys(own for own, _ in pairs)))
        if any(len(set(of)) < len(pairs) for of in zip(*pairs, strict=True)):
            yield f"{attribute}: names {pairs}; each of ours needs one of the paper's"
    missing = set(map(SEPARATOR.join, product(*ours))) - {row.group for row in table.rows}
    if missing:
        yield f"no group {sorted(missing)}; every crossing of {ours} must be there"


def _place_faults(table: PaperTable | GroupTable) -> Iterator[str]:
    """Say where a footnote stands on what the table does not have."""
    for place in (place for footnote in table.footnotes for place in footnote.at):
        if not place.given:
            yield "a footnote on no place; leave `at` out for one of the whole table"
        for field, name in place.given.items():
            have = list(table.names.get(field, ()))
            if name not in have:
                yield f"a footnote on {field} {name!r}; have {have}"
