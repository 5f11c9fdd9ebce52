"""Ranges that a search draws settings from, declared beside the settings they are of.

`rate: Annotated[PositiveFloat, Between(0.1, 10, log=True), Field(description="...")]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrfair.config import Section


@dataclass(frozen=True)
class Between:
    """Numbers from `low` to `high`, both included; drawn evenly, or evenly in their logarithm.

    Whole numbers where the setting is one.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Among:
    """One of a few values, each as likely."""

    values: tuple[Any, ...]


Range = Between | Among


def of(section: type[Section]) -> Mapping[str, Range]:
    """Return the ranges of a section's settings by name; those without one are never drawn."""
    return {
        name: entry
        for name, field in section.model_fields.items()
        for entry in field.metadata
        if isinstance(entry, Between | Among)
    }
