"""A study: which data sets, labels, attributes, variants and seeds belong together."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, StringConstraints, model_validator

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
SEPARATOR = " x "  # between the attributes of an intersection, and between their values


class StudyError(CxrfairError):
    """A study whose parts do not fit together."""


class Variant(Section):
    """One row of a study's tables: a method on a (rebalanced) training list.

    `groups` are the attributes (and, for a binary task, labels) whose cells the method is told
    about; empty for methods that are blind to groups. `upstream` names the variant whose model a
    method starts from, where the study has several that would do. `settings` and `train` replace
    values of the method's section and of `train` for this variant alone.
    """

    method: Name
    rebalance: Name = "none"
    groups: tuple[str, ...] = ()
    upstream: Name | None = None
    settings: dict[str, Any] = {}
    train: dict[str, Any] = {}


class Study(Section):
    """One entry of `studies` in params.yaml.

    An attribute may be an intersection, written `sex x age`. `products` are what is kept of every
    model beside its predictions: features of all images, maps of what it looks at in some.
    """

    datasets: tuple[Name, ...] = Field(min_length=1)
    labels: tuple[Name, ...] = Field(min_length=1)
    attributes: tuple[str, ...] = Field(min_length=1)
    reference: Name
    variants: dict[Name, Variant] = Field(min_length=1)
    products: tuple[Literal["embeddings", "maps"], ...] = ()
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        if self.reference not in self.variants:
            raise ValueError(f"reference {self.reference!r} is not among {list(self.variants)}")
        for field in ("datasets", "labels", "attributes", "products", "seeds"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                raise ValueError(f"{field} holds an entry twice: {list(values)}")
        return self


def single(attributes: Iterable[str]) -> tuple[str, ...]:
    """Return the attributes that intersections like `sex x age` are made of, each once."""
    parts = [part for name in attributes for part in name.split(SEPARATOR)]
    return tuple(dict.fromkeys(parts))


def upstream_of(study: Study, variant: str, method: str) -> str:
    """Name the variant whose model `variant` starts from: its `upstream`, or the only one.

    Parameters
    ----------
    method
        What that model must have been trained with.

    Raises
    ------
    StudyError
        If there is none, several to choose from, or the named one is not of that method.
    """
    fitting = [name for name, v in study.variants.items() if v.method == method and name != variant]
    wanted = study.variants[variant].upstream
    found = fitting if wanted is None else [name for name in fitting if name == wanted]
    if len(found) != 1:
        asked = "" if wanted is None else f"upstream {wanted!r} does not fit; "
        have = ", ".join(fitting) or "none"
        raise StudyError(
            f"variants.{variant}: {asked}it starts from a model of {method!r}; set `upstream` to "
            f"one of this study's: {have}"
        )
    return found[0]
