"""A study: which data sets, labels, attributes, variants and seeds belong together."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, StringConstraints, model_validator

from cxrfair.config import Section

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
SEPARATOR = " x "  # between the attributes of an intersection, and between their values


class Variant(Section):
    """One row of a study's tables: a method on a (rebalanced) training list.

    `groups` are the attributes (and, for a binary task, labels) whose cells the method is told
    about; empty for methods that are blind to groups.
    """

    method: Name
    rebalance: Name = "none"
    groups: tuple[str, ...] = ()


class Study(Section):
    """One entry of `studies` in params.yaml.

    An attribute may be an intersection, written `sex x age`.
    """

    datasets: tuple[Name, ...] = Field(min_length=1)
    labels: tuple[Name, ...] = Field(min_length=1)
    attributes: tuple[str, ...] = Field(min_length=1)
    reference: Name
    variants: dict[Name, Variant] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        if self.reference not in self.variants:
            raise ValueError(f"reference {self.reference!r} is not among {list(self.variants)}")
        for field in ("datasets", "labels", "attributes", "seeds"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                raise ValueError(f"{field} holds an entry twice: {list(values)}")
        return self


def single(attributes: Iterable[str]) -> tuple[str, ...]:
    """Return the attributes that intersections like `sex x age` are made of, each once."""
    parts = [part for name in attributes for part in name.split(SEPARATOR)]
    return tuple(dict.fromkeys(parts))
