"""What a data set file gives, and the small steps that all of them share."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd

from cxrfair import plugins, tables
from cxrfair.config import Section
from cxrfair.datasets._csv import SourceError
from cxrfair.lookup import places

OLDEST_YEARS = 120  # sources hold ages such as 414 years; those are unknown
# A unit of age in years; without a letter it is years.
YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
SIMULATED_BELOW = "data/phantom"  # a root below it is the phantom's to make; others are only read

Notes = Mapping[str, int]  # rule applied to rows that were not as they should be -> how many
Kind = Literal["images", "encounters", "surroundings", "annotations", "embeddings"]


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
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True)
class Encounters:
    """A hospital's patients and stays (rows of `tables.PATIENTS` and `tables.STAYS`)."""

    patients: pd.DataFrame
    stays: pd.DataFrame
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """Where people live and what is known of it (`tables.RESIDENCES`, `tables.SURROUNDINGS`)."""

    residences: pd.DataFrame
    values: pd.DataFrame
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True)
class Marks:
    """Annotations of another data set's images (rows of `tables.ANNOTATIONS`)."""

    annotations: pd.DataFrame
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True)
class Embeddings:
    """Vectors computed from another data set's images, one file each.

    `index` has image_id, patient_id, study_id, path (below the root); `absent` as in `Images`;
    `width` numbers make a vector.
    """

    index: pd.DataFrame
    absent: pd.DataFrame
    width: int
    notes: Notes = field(default_factory=dict)


Read = Images | Encounters | Surroundings | Marks | Embeddings


@dataclass(frozen=True)
class Layout:
    """What a complete copy holds and how to get it: for people and for `cxrfair data check`.

    `files` maps glob patterns below the root (plain or gzipped) to what they hold; those in
    `optional` may be missing. `counts` maps what can be counted (images, patients, and what
    the data set's page says) to the published number.
    """

    title: str
    url: str
    access: str  # what to sign, in one sentence
    files: Mapping[str, str]
    counts: Mapping[str, int]
    optional: tuple[str, ...] = ()


class Source(Protocol):
    """What the file of a data set holds.

    KIND says what `read` gives. TABLES and IMAGES are glob patterns, below the data set's root, of
    the files it may read; SOURCE is whom to cite; LAYOUT what a complete copy holds. A data set of
    images has LABELS, from the source's names of the labels that it states to ours. One whose
    reading has settings declares them as a Section called `Options` and takes them as the second
    argument of `read`.
    """

    KIND: Kind
    TABLES: tuple[str, ...]
    IMAGES: tuple[str, ...]
    SOURCE: str
    LAYOUT: Layout

    def read(self, root: Path) -> Read:
        """Read the original layout below `root` into our vocabulary."""
        ...


def names() -> tuple[str, ...]:
    """Names of all data sets."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> Source:
    """Return the data set defined in the file of that name."""
    source: Source = plugins.find(sys.modules[__package__], name)  # a module is the record itself
    return source


def options(name: str) -> type[Section]:
    """Return the type of a data set's own settings; without fields where it has none."""
    kind: type[Section] = getattr(get(name), "Options", Section)
    return kind


def labels(name: str) -> tuple[str, ...]:
    """Name the labels that a data set of images states, as we call them; of any other, none."""
    known: Mapping[str, str] = getattr(get(name), "LABELS", {})
    return tuple(sorted(set(known.values()))) if get(name).KIND == "images" else ()


def read(name: str, root: Path, settings: str) -> Read:
    """Read the data set of that name below `root`; `settings` is its `options`, as JSON.

    Raises
    ------
    SourceError, ConfigError
        If a table breaks its promise, or a setting is not the data set's.
    """
    chosen = options(name).parse(settings, f"data.{name}.options")
    reader: Any = get(name)
    given: Read = reader.read(root) if type(chosen) is Section else reader.read(root, chosen)
    return given


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


def age_years(text: pd.Series) -> pd.Series:
    """Turn `058Y`, `011M`, `002W`, `003D` and `58` into years; empty for any other text."""
    parts = text.str.extract(r"^(\d{1,3})([YMWD]?)$")
    years: pd.Series = parts[0].astype("float64") * parts[1].map(YEARS).astype("float64")
    return years


def among(words: pd.Series, known: pd.Index) -> pd.Series:
    """Tell which words are in `known` (`Series.isin` is slow for many words)."""
    return pd.Series(places(words, known) >= 0, words.index)


def part(records: pd.DataFrame, keep: pd.Series, why: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows into those kept and those left out, the latter as rows of `Images.absent`."""
    out = records.loc[~keep, ["image_id", "patient_id"]].assign(why=why)
    return records[keep].reset_index(drop=True), out.reset_index(drop=True)


def long(states: pd.DataFrame) -> pd.DataFrame:
    """Turn states (rows: image_id as index; columns: labels) into rows of `tables.LABELS`."""
    rows = states.rename_axis(index="image_id").reset_index()
    return rows.melt(id_vars="image_id", var_name="label", value_name="state")
