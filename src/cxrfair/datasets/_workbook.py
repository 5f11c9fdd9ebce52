"""CheXpert's demographics workbook: what is known of its patients beside the lists."""

import warnings
import zlib
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from cxrfair import tables
from cxrfair.datasets._csv import SourceError

PATTERNS = {  # what the filled cells of each column must match, and what that means
    "PATIENT": (r"patient\d{5,7}", "patient00001"),
    "GENDER": (r"Female|Male|Unknown", "Female, Male, Unknown or blank"),
    "AGE_AT_CXR": (r"\d{1,3}(\.\d*)?", "years or blank"),
    "PRIMARY_RACE": (r"[^\n]*", "words on one line or blank"),
    "ETHNICITY": (r"[^\n]*", "words on one line or blank"),
}
SEXES = {"Female": "female", "Male": "male"}
SILENT = ("unknown", "race and ethnicity unknown", "patient refused")  # races that say nothing
HISPANIC = "Hispanic/Latino"
DAMAGE = (  # whatever a broken, encrypted or foreign archive makes its readers raise
    *(BadZipFile, InvalidFileException, ParseError, zlib.error, RuntimeError),
    *(AttributeError, EOFError, IndexError, KeyError, OSError, TypeError, ValueError),
)
CLOSE_YEARS = 1.0  # an age that was rounded, or said some months apart


def read(path: Path) -> pd.DataFrame:
    """Read one row a patient: sex, age_years and race, indexed by patient.

    A patient whose rows contradict one another is unknown: `conflict` is true, the rest empty.

    Raises
    ------
    SourceError
        If the file is no workbook, lacks a column, or a cell is not what it should be.
    """
    rows = _sheet(path)
    for name, (pattern, says) in PATTERNS.items():
        odd = rows[rows[name].notna() & ~rows[name].str.fullmatch(pattern).fillna(False)]
        odd = rows[rows[name].isna()] if name == "PATIENT" and odd.empty else odd
        if len(odd):
            value = odd[name].fillna("blank").iloc[0]
            raise SourceError(
                f"{path} row {odd.index[0]}, column {name!r}: {value!r}; "
                f"allowed: {says} ({len(odd)} rows)"
            )
    rows = rows.drop_duplicates()
    conflict = rows["PATIENT"].duplicated(keep=False)
    people = pd.DataFrame(
        {
            "patient_id": rows["PATIENT"],
            "sex": rows["GENDER"].map(SEXES).fillna(tables.UNKNOWN).mask(conflict, tables.UNKNOWN),
            "age_years": _ages(rows["AGE_AT_CXR"]).mask(conflict),
            "race": _races(rows).mask(conflict),
            "conflict": conflict,
        }
    )
    return people.drop_duplicates("patient_id").set_index("patient_id")


def describe(
    entries: pd.DataFrame, people: pd.DataFrame | None, notes: Counter[str]
) -> pd.DataFrame:
    """Add to the entries (a row an image) what the workbook knows; the lists come first.

    The workbook says an age but not at which X-ray, so it fills one only for patients with a single
    study. Fills and contradictions are counted in `notes`, in patients.
    """
    if people is None:
        return entries
    known = people.reindex(entries["patient_id"]).set_axis(entries.index)
    one = entries.groupby("patient_id")["study_id"].transform("nunique") == 1
    silent = entries["sex"] == tables.UNKNOWN
    told = known["sex"].isin(SEXES.values())
    ageless = entries["age_years"].isna()
    fill = ageless & known["age_years"].notna() & one
    apart = (entries["age_years"] - known["age_years"]).abs() > CLOSE_YEARS
    for rule, rows in {
        "sex taken from the workbook (patients)": silent & told,
        "sex differs from the workbook's: the list's kept (patients)": (
            ~silent & told & (known["sex"] != entries["sex"])
        ),
        "age taken from the workbook (patients)": fill,
        "age differs from the workbook's: the list's kept (patients)": apart & one,
        "no row in the workbook (patients)": known["sex"].isna(),
        "rows of the workbook contradict one another: unknown (patients)": (
            known["conflict"].eq(True)
        ),
    }.items():
        notes[rule] += entries["patient_id"][rows].nunique()
    listed = people.index.isin(entries["patient_id"])
    notes["in the workbook without an image (patients)"] += int((~listed).sum())
    return entries.assign(
        sex=entries["sex"].mask(silent & told, known["sex"]),
        age_years=entries["age_years"].mask(fill, known["age_years"]),
        race=known["race"],
    )


def _sheet(path: Path) -> pd.DataFrame:
    """Read the first sheet as text, indexed by its rows (header = row 1); blank is missing."""
    try:
        with warnings.catch_warnings():  # of styles that a workbook lacks
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            cells = [[_text(cell) for cell in row] for row in book.worksheets[0].values]
            book.close()
    except DAMAGE as error:
        raise SourceError(f"{path}: cannot be read ({error}); a whole .xlsx is needed") from None
    header = [name.strip() for name in cells[0]] if cells else []
    if lacking := [name for name in PATTERNS if header.count(name) != 1]:
        raise SourceError(f"{path}: no column {lacking}; has {', '.join(header)}")
    places = [header.index(name) for name in PATTERNS]
    picked = [[row[place] for place in places] for row in cells[1:]]
    rows = pd.DataFrame(picked, columns=list(PATTERNS), dtype="str")
    rows = rows.set_axis(pd.RangeIndex(2, len(rows) + 2))
    return rows.where(rows != "").dropna(how="all")


def _text(cell: object) -> str:
    """Return a cell as stripped text; an empty one is an empty word."""
    return "" if cell is None else str(cell).strip()


def _ages(text: pd.Series) -> pd.Series:
    """Turn years into numbers; 0 is unknown."""
    years = text.astype("float64")
    return years.where(years > 0)


def _races(rows: pd.DataFrame) -> pd.Series:
    """Join race and ethnicity, in the source's words."""
    race = rows["PRIMARY_RACE"].mask(rows["PRIMARY_RACE"].str.lower().isin(SILENT))
    hispanic = rows["ETHNICITY"].str.lower().str.startswith("hispanic").fillna(False).astype(bool)
    return race.mask(hispanic, (race + " | ").fillna("") + HISPANIC)
