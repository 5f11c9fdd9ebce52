"""What is known of numbers that a paper prints, and of which of them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from cxrfair.config import Section
from cxrfair.studies import Name

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]


class Place(Section):
    """Where a footnote stands: wherever all that is given here holds."""

    block: str | None = None
    row: str | None = None
    dataset: Name | None = None
    metric: Name | None = None

    @property
    def given(self) -> Mapping[str, str]:
        """What is given, by field."""
        return {field: name for field, name in self if name is not None}


class Footnote(Section):
    """What is known of some places of a table; of the whole table where `at` is empty."""

    text: Text
    at: tuple[Place, ...] = ()

    def concerns(self, number: Mapping[str, str]) -> bool:
        """Tell whether it is of a number, given its block, row, data set and metric."""
        return any(
            place.model_dump(exclude_none=True).items() <= number.items() for place in self.at
        )
