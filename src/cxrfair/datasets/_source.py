"""What a data set file gives, and the small steps that all of them share."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from cxrfair import plugins, tables
from cxrfair.datasets._csv import SourceError


@dataclass(frozen=True)
class Images:
    """A data set of images, in our vocabulary.

    `records`, `labels` and `annotations` are rows of the tables of those names; `labels` holds
    every label of every record. `absent` are the images that the source lists but that cannot be
    used: image_id, patient_id, why.
    """

    records: pd.DataFrame
    labels: pd.DataFrame
    annotations: pd.DataFrame
    absent: pd.DataFrame


@dataclass(frozen=True)
class Encounters:
    """A hospital's patients and stays (rows of `tables.PATIENTS` and `tables.STAYS`)."""

    patients: pd.DataFrame
    stays: pd.DataFrame


class Source(Protocol):
    """What the file of a data set holds.

    TABLES and IMAGES are glob patterns, below the data set's root, of the files it may read; SOURCE
    is whom to cite.
    """

    TABLES: tuple[str, ...]
    IMAGES: tuple[str, ...]
    SOURCE: str

    def read(self, root: Path) -> Images | Encounters:
        """Read the original layout below `root` into our vocabulary."""
        ...


def names() -> tuple[str, ...]:
    """Names of all data sets."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> Source:
    """Return the data set defined in the file of that name."""
    source: Source = plugins.find(sys.modules[__package__], name)  # a module is the record itself
    return source


def fill(table: tables.Table, known: pd.DataFrame) -> pd.DataFrame:
    """Complete `known` with the table's other columns, left empty."""
    empty = table.empty()
    kinds = {name: empty[name].dtype for name in known}
    return empty.reindex(known.index).assign(**known.astype(kinds)).reset_index(drop=True)


def files(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    """Map the name of every file that matches to its path below `root`.

    Raises
    ------
    SourceError
        If there is none, or one name lies in two folders.
    """
    wanted = tuple(patterns)
    found: dict[str, str] = {}
    for path in sorted(path for pattern in wanted for path in root.glob(pattern)):
        place = path.relative_to(root).as_posix()
        if found.setdefault(path.name, place) != place:
            raise SourceError(f"{root}: {found[path.name]} and {place}; a name may be there once")
    if not found:
        raise SourceError(f"{root}: no image file at all; looked for {', '.join(wanted)}")
    return found


def among(words: pd.Series, known: pd.Index) -> pd.Series:
    """Tell which words are in `known`, which is unique (`Series.isin` is slow for many words)."""
    return pd.Series(known.get_indexer(pd.Index(words)) >= 0, words.index)


def part(records: pd.DataFrame, keep: pd.Series, why: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows into those kept and those left out, the latter as rows of `Images.absent`."""
    out = records.loc[~keep, ["image_id", "patient_id"]].assign(why=why)
    return records[keep].reset_index(drop=True), out.reset_index(drop=True)


def long(states: pd.DataFrame) -> pd.DataFrame:
    """Turn states (rows: image_id as index; columns: labels) into rows of `tables.LABELS`."""
    rows = states.rename_axis(index="image_id").reset_index()
    return rows.melt(id_vars="image_id", var_name="label", value_name="state")
