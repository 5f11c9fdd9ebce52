"""MIMIC-IV-ED (v1.0 to v2.2): emergency stays of the patients of MIMIC-IV."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source, _stays
from cxrfair.datasets._source import Encounters, Layout

KIND: _source.Kind = "encounters"
SOURCE = "Johnson et al. 2023, MIMIC-IV-ED; PhysioNet"
TABLES = ("ed/edstays.csv", "ed/edstays.csv.gz", "edstays.csv", "edstays.csv.gz")
IMAGES = ()
LAYOUT = Layout(
    title="MIMIC-IV-ED v2.2",
    url="https://physionet.org/content/mimic-iv-ed/2.2/",
    access="PhysioNet credentialed access: CITI training and a signed data use agreement.",
    files={"**/edstays.csv": "times and race of each stay; in ed/ or right below the root"},
    counts={"emergency_stays": 425_087},
)

MOMENT = "emergency stays that end before they begin, taken as a moment"


def read(root: Path) -> Encounters:
    """Read the emergency stays; who the patients are stands in MIMIC-IV, so there are none here.

    Insurance is not known to this source, nor race to its version 1.0. A stay that ends before it
    begins is a moment; a date without a clock is the first second of the day where a stay begins,
    and the last where it ends.

    Raises
    ------
    SourceError
        If the table is missing or breaks its promise; a time with a zone does.
    """
    path = _csv.locate(root, "ed/edstays.csv", "edstays.csv")
    race = {"race": _csv.words(_stays.RACES, blank=True)} if "race" in _csv.header(path) else {}
    columns = {
        "subject_id": _csv.pattern(r"\d+", "digits"),
        "stay_id": _csv.pattern(r"\d+", "digits", unique=True),
        "intime": _stays.time(),
        "outtime": _stays.time(blank=True),
        **race,
    }
    rows = _csv.read(path, columns)
    starts, ends = _stays.begins(rows["intime"]), _stays.ends(rows["outtime"])
    known = pd.DataFrame(
        {
            "stay_id": rows["stay_id"],
            "patient_id": rows["subject_id"],
            "starts_at": starts,
            "ends_at": ends.mask(ends < starts, starts),
            **{name: rows[name] for name in race},
        }
    ).assign(kind="emergency")
    notes = _stays.odd_times(rows[name] for name in ("intime", "outtime"))
    return Encounters(
        patients=tables.PATIENTS.empty(),
        stays=_source.fill(tables.STAYS, known),
        notes=_stays.some({MOMENT: int((ends < starts).sum()), **notes}),
    )
