"""Ranges that a search draws settings from, declared beside the settings they are of.

`rate: Annotated[PositiveFloat, Between(0.1, 10, log=True), Field(description="...")]`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic.fields import FieldInfo

from cxrfair.config import Section


@dataclass(frozen=True)
class Between:
    """Numbers from `low` to `high`, both included; drawn evenly, or evenly in their logarithm.

    Whole numbers where the setting is one: `of` sees to `whole`, which nobody writes.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Among:
    """One of a few values, each as likely."""

    values: tuple[Any, ...]


Range = Between | Among


def of(section: type[Section]) -> Mapping[str, Range]:
    """Return the ranges of a section's settings by name; those without one are never drawn."""
    return {
        name: _of_kind(entry, field)
        for name, field in section.model_fields.items()
        for entry in field.metadata
        if isinstance(entry, Between | Among)
    }


def within(section: Section) -> Mapping[str, Range]:
    """Return the ranges of a section as it is set, by dotted name, and of the sections inside it.

    Where a section is one of several kinds, the ranges are those of the kind it is.
    """
    found = dict(of(type(section)))
    for name in type(section).model_fields:
        part = getattr(section, name)
        if isinstance(part, Section):
            found |= {f"{name}.{inner}": entry for inner, entry in within(part).items()}
    return found


def _of_kind(entry: Range, field: FieldInfo) -> Range:
    """Say of a range whether its setting is a whole number."""
    kinds = set(_kinds(field.annotation))
    if isinstance(entry, Among) or int not in kinds or float in kinds:
        return entry
    return replace(entry, whole=True)


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield what a type is made of: `int | None` of `int`, and of what says that it may be none."""
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)
