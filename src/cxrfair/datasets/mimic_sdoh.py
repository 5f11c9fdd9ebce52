"""MIMIC-SDOH: the counties and tracts where MIMIC's patients live, and what is known of those.

The published columns could not be confirmed, so file names, columns and codes are all settings.
Their defaults are the names of the sources that MIMIC-SDOH joins: AHRQ's SDOH database and CDC's
Social Vulnerability Index (SVI).
"""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

import pandas as pd
import pandera.pandas as pandera
from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.datasets import _csv, _source
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Layout, Surroundings

KIND: _source.Kind = "surroundings"
SOURCE = "Yang et al. 2023, AIES, arXiv:2305.12622 (MIMIC-SDOH); AHRQ SDOH Database; CDC/ATSDR SVI"
TABLES = ("**/*.csv", "**/*.csv.gz")  # whatever the options name
IMAGES = ()
LAYOUT = Layout(
    title="MIMIC-SDOH",
    url="https://arxiv.org/abs/2305.12622",
    access="PhysioNet credentialed access: CITI training and a signed data use agreement.",
    files={
        "mimic_sdoh_residences.csv": "county and tract of each patient (name it in the options)",
        "ahrq_county.csv": "uninsured and income of each county and year (name it in the options)",
        "ahrq_tract.csv": "income of each tract and year (name it in the options)",
        "svi_county.csv": "social vulnerability of each county (name it in the options)",
    },
    counts={},
)

DIGITS = {"county": 5, "tract": 11}
YEAR = r"\d{4}(\.0*)?"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
PADDED = "place codes without their leading zero, which was put back"
FLOATED = "place codes written as floats"
CODED = "values that a code such as -999 marks as missing"
ELSEWHERE = "patients whose tract lies outside their county, both kept"
AGAIN = "patients listed again with the same places, taken once"
RULES = (AGAIN, ELSEWHERE, PADDED, FLOATED, CODED)


def _below(name: str) -> str:
    """Refuse a name that may lead out of the data set's folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ValueError("must be a path below the data set's folder, without '..'")
    return name


FileName = Annotated[str, AfterValidator(_below)]
Column = Annotated[str, StringConstraints(min_length=1)]


class Residences(Section):
    """Which table says where people live: a file below the root, and its columns."""

    file: FileName = "mimic_sdoh_residences.csv"
    patient: Column = "subject_id"
    county: Column | None = "COUNTYFIPS"
    tract: Column | None = "TRACTFIPS"

    @model_validator(mode="after")
    def _tells_something(self) -> Self:
        if self.county is None and self.tract is None:
            raise ValueError("county and tract are both none; name the column of one at least")
        return self


class PlaceTable(Section):
    """A table of places: a file below the root, its columns and its codes for missing values.

    `key` holds the FIPS codes, `year` the year where there is one row a place and year.
    """

    file: FileName
    level: Literal["county", "tract"]
    key: Column
    variables: Annotated[tuple[Column, ...], Field(min_length=1)]
    year: Column | None = None
    missing: tuple[FiniteFloat, ...] = ()


AHRQ_COUNTY = PlaceTable(
    file="ahrq_county.csv",
    level="county",
    key="COUNTYFIPS",
    year="YEAR",
    variables=("SAHIE_PCT_UNINSURED64", "ACS_MEDIAN_HH_INC"),
)
AHRQ_TRACT = PlaceTable(
    file="ahrq_tract.csv",
    level="tract",
    key="TRACTFIPS",
    year="YEAR",
    variables=("ACS_MEDIAN_HH_INC",),
)
SVI_COUNTY = PlaceTable(
    file="svi_county.csv",
    level="county",
    key="FIPS",
    variables=("EP_UNINSUR", "RPL_THEMES"),
    missing=(-999.0,),
)


class Options(Section):
    """Settings `data.mimic_sdoh.options`.

    Of a table with years, `year` chooses one, or of each place and variable the latest with a
    value.
    """

    residences: Residences = Residences()
    tables: Annotated[tuple[PlaceTable, ...], Field(min_length=1)] = (
        AHRQ_COUNTY,
        AHRQ_TRACT,
        SVI_COUNTY,
    )
    year: Literal["latest"] | PositiveInt = "latest"

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        named = [f"{table.level}.{name}" for table in self.tables for name in table.variables]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"tables name {twice} twice; each variable of a level comes once")
        return self


def read(root: Path, options: Options) -> Surroundings:
    """Read where people live, and each variable of each county and tract.

    Codes that lost their leading zero, or went through a float, are mended and counted; values
    marked as missing, or blank, are not numbers. A patient may be listed again only with the same
    places.

    Raises
    ------
    SourceError
        If a table is missing or breaks its promise, a patient has two homes, a place has two rows
        (of one year), or no row is of the chosen year.
    """
    homes, *counts = _residences(root, options.residences)
    parts = []
    for table in options.tables:
        rows, count = _places(root, table, options.year)
        parts.append(rows)
        counts.append(count)
    notes = {rule: sum(count.get(rule, 0) for count in counts) for rule in RULES}
    return Surroundings(
        residences=homes,
        values=pd.concat(parts, ignore_index=True),
        notes={rule: n for rule, n in notes.items() if n},
    )


def _residences(root: Path, where: Residences) -> tuple[pd.DataFrame, dict[str, int]]:
    """Read one row a patient, and count what was odd."""
    path = _csv.locate(root, where.file)
    named = {"county": where.county, "tract": where.tract}
    levels = {level: column for level, column in named.items() if column is not None}
    columns = {
        where.patient: _csv.pattern(r"\d+", "digits"),
        **{column: _code(level, blank=True) for level, column in levels.items()},
    }
    rows = _csv.read(path, columns)
    homes = pd.DataFrame({"patient_id": rows[where.patient]})
    for level in DIGITS:
        blank = pd.Series(None, rows.index, dtype="str")
        homes[f"{level}_fips"] = _mended(rows[levels[level]], level) if level in levels else blank
    again = homes.duplicated()
    homes = _one_home(homes[~again], path)
    both = homes.dropna()
    elsewhere = both["tract_fips"].str[: DIGITS["county"]] != both["county_fips"]
    counts = {AGAIN: int(again.sum()), ELSEWHERE: int(elsewhere.sum())}
    odd = [_oddities(rows[column], level) for level, column in levels.items()]
    counts |= {rule: sum(count[rule] for count in odd) for rule in (PADDED, FLOATED)}
    return homes.reset_index(drop=True), counts


def _one_home(homes: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return `homes` if no patient is there twice."""
    twice = homes["patient_id"].duplicated()
    if twice.any():
        row = homes.index[twice][0]
        first = homes.index[homes["patient_id"] == homes.loc[row, "patient_id"]][0]
        raise SourceError(
            f"{path} row {row}: the patient of row {first} with another place; "
            f"allowed: one home each ({int(twice.sum())} rows)"
        )
    return homes


def _places(
    root: Path, table: PlaceTable, year: Literal["latest"] | int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Read one table of places as rows of `tables.SURROUNDINGS`, and count what was odd."""
    path = _csv.locate(root, table.file)
    names = list(table.variables)
    columns = {
        table.key: _code(table.level),
        **({table.year: _csv.pattern(YEAR, "a year")} if table.year else {}),
        **dict.fromkeys(names, _csv.pattern(NUMBER, "a number", blank=True)),
    }
    rows = _csv.read(path, columns)
    said = rows[names].astype("float64")
    coded = said.isin(table.missing)
    years = rows[table.year].str[:4].astype("int64") if table.year else 0
    known = said.mask(coded).assign(fips=_mended(rows[table.key], table.level), year=years)
    chosen = _of_year(_told_once(known, path), year if table.year else "latest", path)
    values = chosen.melt(id_vars="fips", value_vars=names, var_name="variable")
    counts = {CODED: int(coded.to_numpy().sum()), **_oddities(rows[table.key], table.level)}
    return _source.fill(tables.SURROUNDINGS, values.assign(level=table.level)), counts


def _told_once(known: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return `known` if no place has two rows of one year."""
    twice = known.duplicated(["fips", "year"])
    if twice.any():
        first = known[twice].iloc[0]
        raise SourceError(
            f"{path} row {known.index[twice][0]}: {first['fips']!r} again; "
            f"allowed: one row a place and year ({int(twice.sum())} rows)"
        )
    return known


def _of_year(known: pd.DataFrame, year: Literal["latest"] | int, path: Path) -> pd.DataFrame:
    """Choose the rows of one year; or of each place and variable the latest with a value."""
    if year == "latest":
        return known.sort_values("year").groupby("fips").last().reset_index()
    chosen = known[known["year"] == year]
    if chosen.empty:
        has = ", ".join(map(str, sorted(known["year"].unique()))) or "no row"
        raise SourceError(f"{path}: no row of the year {year}; has {has}")
    return chosen


def _code(level: str, *, blank: bool = False) -> pandera.Column:
    """Describe a column of FIPS codes, which may lack a leading zero or end like a float."""
    n = DIGITS[level]
    says = f"a FIPS code of {n} digits ({n - 1} without its leading zero)"
    return _csv.pattern(rf"\d{{{n - 1},{n}}}(\.0*)?", says, blank=blank)


def _mended(code: pd.Series, level: str) -> pd.Series:
    """Return codes of their full length: 9001 and 9001.0 are 09001."""
    return code.str.split(".").str[0].str.zfill(DIGITS[level]).astype("str")


def _oddities(code: pd.Series, level: str) -> dict[str, int]:
    """Count the codes that had to be mended."""
    short = code.str.split(".").str[0].str.len() < DIGITS[level]
    floated = code.dropna().str.contains(".", regex=False)
    return {PADDED: int(short.sum()), FLOATED: int(floated.sum())}
