"""Tables of the report: one file each, with TITLE, CAPTION, SECTION and make(study)."""

import sys
from typing import Protocol, cast

import pandas as pd

from cxrfair import plugins
from cxrfair.report._results import StudyResults


class TableFile(Protocol):
    """What a file of this folder holds; `make` gives a tidy frame, numbers as numbers."""

    TITLE: str
    CAPTION: str
    SECTION: str

    def make(self, study: StudyResults) -> pd.DataFrame:
        """Return the table."""
        ...


def names() -> tuple[str, ...]:
    """List all tables."""
    return plugins.names(sys.modules[__name__])


def get(name: str) -> TableFile:
    """Return the table file of that name."""
    return cast(TableFile, plugins.find(sys.modules[__name__], name))
