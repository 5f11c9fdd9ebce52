"""How much of a data set lies in a folder, beside what a complete copy holds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from cxrfair import datasets
from cxrfair.datasets import Layout, Read, Source
from cxrfair.errors import CxrfairError
from cxrfair.phantom import MARKER

Count = Callable[[Any], int | None]

FOLDS = {"training": "train", "validation": "validation", "test": "test"}


def _n_patients(records: pd.DataFrame) -> int:
    return int(records["patient_id"].nunique())


def _patients(given: Any) -> int:
    """Count the patients in whichever tables of a data set name them."""
    names = ("records", "absent", "index", "patients", "residences")
    ids = [getattr(given, name)["patient_id"] for name in names if hasattr(given, name)]
    return int(pd.concat(ids).nunique())


def _places(values: pd.DataFrame, level: str) -> int:
    return int(values.loc[values["level"] == level, "fips"].nunique())


def _of_fold(fold: str, count: Callable[[pd.DataFrame], int]) -> Count:
    """Count something of the usable images of a fold of the source's own; None without images."""

    def counted(given: Any) -> int | None:
        records = getattr(given, "records", None)
        return None if records is None else count(records[records["official_fold"] == fold])

    return counted


# What a Layout may count, and how it is counted in what the adapter gives.
COUNTS: Mapping[str, Count] = {
    "images": lambda given: len(given.records) + len(given.absent),
    "patients": _patients,
    "studies": lambda given: given.records["study_id"].nunique(),
    "boxes": lambda given: int((given.annotations["kind"] == "box").sum()),
    "annotations": lambda given: len(given.annotations),
    "admissions": lambda given: int((given.stays["kind"] == "admission").sum()),
    "emergency_stays": lambda given: int((given.stays["kind"] == "emergency").sum()),
    "residences": lambda given: len(given.residences),
    "counties": lambda given: _places(given.values, "county"),
    "tracts": lambda given: _places(given.values, "tract"),
    "findings": lambda given: given.annotations["label"].nunique(),
    "embeddings": lambda given: len(given.index) + len(given.absent),
    **{f"{word} images": _of_fold(fold, len) for word, fold in FOLDS.items()},
    **{f"{word} patients": _of_fold(fold, _n_patients) for word, fold in FOLDS.items()},
}


@dataclass(frozen=True)
class FileCheck:
    """One pattern of a layout: how many files match it, and what they are for."""

    pattern: str
    holds: str
    n_found: int
    optional: bool


@dataclass(frozen=True)
class CountCheck:
    """How many of something the tables hold, beside the published number; None: cannot be said."""

    name: str
    n_found: int | None
    n_published: int


@dataclass(frozen=True)
class Completeness:
    """What was found of a data set; `fault` says why it cannot be used, None where it can.

    `absent` counts what the tables list and cannot be used, by reason; `notes` counts rows that
    were not as they should be, by the rule applied to them. `was_read` is false where only the
    tables' being there was looked at.
    """

    dataset: str
    title: str
    root: Path
    is_phantom: bool
    files: tuple[FileCheck, ...]
    counts: tuple[CountCheck, ...]
    absent: Mapping[str, int]
    notes: Mapping[str, int]
    was_read: bool
    fault: str | None

    @property
    def is_usable(self) -> bool:
        """Whether the pipeline can work with what is there."""
        return self.fault is None

    @property
    def is_complete(self) -> bool:
        """Whether nothing that was published is missing; optional files may be."""
        whole = all(check.n_found in {None, check.n_published} for check in self.counts)
        there = all(check.n_found or check.optional for check in self.files)
        return self.is_usable and whole and there and not self.absent


def check(dataset: str, root: Path, options: str, *, tables_only: bool = False) -> Completeness:
    """Compare a folder with the layout of a data set, and read its tables.

    Parameters
    ----------
    options
        The data set's own settings (`data.<name>.options`), as JSON.
    tables_only
        Look whether the tables are there, and neither for images nor into anything.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such data set, or a setting is not the data set's. What is wrong with the
        folder is no error but the `fault` of what is returned.
    """
    source = datasets.get(dataset)
    layout = source.LAYOUT
    datasets.options(dataset).parse(options, f"data.{dataset}.options")
    patterns = [p for p in layout.files if not (tables_only and _of_images(p, source.IMAGES))]
    files = tuple(_file(root, pattern, source) for pattern in patterns)
    given, fault = (None, _lacking(root, files)) if tables_only else _read(dataset, root, options)
    return Completeness(
        dataset=dataset,
        title=layout.title,
        root=root,
        is_phantom=(root / MARKER).is_file(),
        files=files,
        counts=() if given is None else _counted(given, layout),
        absent={} if given is None else _reasons(given),
        notes={} if given is None else dict(given.notes),
        was_read=given is not None,
        fault=fault,
    )


def _file(root: Path, pattern: str, source: Source) -> FileCheck:
    """Count what matches a pattern, plain and gzipped; a copy may lie one folder lower."""
    layout = source.LAYOUT
    found = _matching(root, (pattern, f"{pattern}.gz"))
    if not found:
        read = (*source.TABLES, *source.IMAGES)
        deeper = _matching(root, (f"*/{pattern}", f"*/{pattern}.gz"))
        found = deeper & _matching(root, read) if deeper else deeper
    return FileCheck(pattern, layout.files[pattern], len(found), pattern in layout.optional)


def _matching(root: Path, patterns: Iterable[str]) -> set[Path]:
    return {path for pattern in patterns for path in root.glob(pattern)}


def _of_images(pattern: str, images: Iterable[str]) -> bool:
    """Tell patterns of images, or of folders of images, from those of tables, by their endings."""
    return PurePath(pattern).suffix in {"", *(PurePath(image).suffix for image in images)}


def _lacking(root: Path, files: Iterable[FileCheck]) -> str | None:
    """Say which tables are not there."""
    names = [check.pattern for check in files if not check.n_found and not check.optional]
    return f"{root}: missing {', '.join(names)}" if names else None


def _read(dataset: str, root: Path, options: str) -> tuple[Read | None, str | None]:
    """Read a data set; or say why that cannot be done."""
    if not root.is_dir():
        return None, f"{root}: no such folder"
    try:
        return datasets.read(dataset, root, options), None
    except CxrfairError as error:
        return None, str(error)


def _counted(given: Read, layout: Layout) -> tuple[CountCheck, ...]:
    return tuple(CountCheck(name, COUNTS[name](given), n) for name, n in layout.counts.items())


def _reasons(given: Read) -> dict[str, int]:
    """Count what is absent, by reason, the commonest first."""
    absent = getattr(given, "absent", None)
    return (
        {} if absent is None else {str(k): int(n) for k, n in absent["why"].value_counts().items()}
    )
