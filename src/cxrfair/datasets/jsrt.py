"""JSRT: 154 PA images with one lung nodule and 93 without, digitised film, raw 12-bit files.

JSRT names no patients: every image is a patient of its own. All images are PA. The values are film
density, large where the film is dark; `images.raw` turns them round.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.datasets import _csv, _source, _tabbed
from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Images, Layout

KIND: _source.Kind = "images"
SOURCE = "Shiraishi et al. 2000, AJR 174, pp. 71-74; Japanese Society of Radiological Technology"
FOLDERS = ("", "Clinical_Information/")  # where the tables lie, as unpacked
NODULES, NORMALS = "CLNDAT_EN", "CNNDAT_EN"
ENDINGS = (".txt", ".TXT")
TABLES = tuple(
    f"{folder}{name}{ending}"
    for name in (NODULES, NORMALS)
    for folder in FOLDERS
    for ending in ENDINGS
)
IMAGES = ("JPC*.IMG", "*/JPC*.IMG")  # beside the tables, or in Nodule154images and so on
LAYOUT = Layout(
    title="JSRT Digital Image Database",
    url="https://db.jsrt.or.jp/eng.php",
    access="Register with the JSRT by name and e-mail address; free for research, not to be "
    "passed on.",
    files={
        "**/CLNDAT_EN.*": "what is known of the images with a nodule",
        "**/CNNDAT_EN.*": "what is known of the images without one",
        "**/JPC*.IMG": "images",
    },
    counts={"images": 247, "annotations": 154},
)

LABELS = {"nodule": "nodule"}
SEXES = {"female": "female", "male": "male", "f": "female", "m": "male"}
SPACING_MM = 0.175  # of a pixel
SIDE = 2048  # pixels that positions count in
NAME = re.compile(r"JPC[LN]N\d{3}\.IMG", re.IGNORECASE)
UNKNOWN = {"", "?", "-", "unknown"}
# Places in a row: file, subtlety, size in mm, age, sex, x, y, malignancy, location, diagnosis;
# or file, age, sex. What the user's guide says of the order is wrong.
PLACES = {NODULES: {"age": 3, "sex": 4, "size": 2, "x": 5, "y": 6}, NORMALS: {"age": 1, "sex": 2}}
NUMBER = r"\d+(\.\d*)?"


def read(root: Path) -> Images:
    """Read both tables and find the images; those without a file are listed as absent.

    Raises
    ------
    SourceError
        If a table breaks its promise or no image file exists.
    """
    notes: Counter[str] = Counter()
    entries = pd.concat([_entries(root, name, notes) for name in PLACES], ignore_index=True)
    twice = entries.loc[entries["image_id"].duplicated(), "image_id"]
    if len(twice):
        raise SourceError(f"{root}: {twice.iloc[0]!r} is listed twice ({len(twice)} rows)")
    found = {Path(name).stem: path for name, path in _source.files(root, IMAGES).items()}
    entries["path"] = entries["image_id"].map(found)
    kept, absent = _source.part(entries, entries["path"].notna(), "no image file")
    if kept.empty:
        raise SourceError(f"{root}: none of {len(found)} image files is in the tables; check both")
    marked = _circles(kept)
    notes["nodule without position or size: not marked"] = int(
        (kept["nodule"] == "positive").sum()
    ) - len(marked)
    states = kept.set_index("image_id")[["nodule"]]
    known = kept.assign(dataset="jsrt", study_id=kept["image_id"], view="PA")
    return Images(
        records=_source.fill(tables.RECORDS, known.drop(columns=["nodule", "size", "x", "y"])),
        labels=_source.long(states),
        annotations=marked,
        absent=absent,
        notes={rule: count for rule, count in sorted(notes.items()) if count},
    )


def _entries(root: Path, name: str, notes: Counter[str]) -> pd.DataFrame:
    """Read a table without a header: one row an image, in our words."""
    choices = [f"{folder}{name}{ending}" for folder in FOLDERS for ending in ENDINGS]
    path = _csv.locate(root, *choices)
    places = PLACES[name]
    rows = []
    for line, cells in _tabbed.rows(path, "latin-1"):
        if len(cells) <= max(places.values()) or not NAME.fullmatch(cells[0]):
            raise SourceError(
                f"{path} row {line}: {len(cells)} cells, the first {cells[0]!r}; allowed: "
                f"JPCLN001.IMG or JPCNN001.IMG, then at least {max(places.values())} more"
            )
        rows.append({"image_id": cells[0][:8].upper()} | {k: cells[i] for k, i in places.items()})
    told = pd.DataFrame(rows, columns=["image_id", "age", "sex", "size", "x", "y"], dtype="str")
    told = told.mask(told.isin(UNKNOWN))
    known = {key: _number(told[key]) for key in ("age", "size", "x", "y")}
    odd = sum(int((told[key].notna() & known[key].isna()).sum()) for key in known)
    notes["cell that is no number: unknown"] += odd
    return pd.DataFrame(
        {
            "image_id": told["image_id"],
            "patient_id": told["image_id"],
            "sex": told["sex"].str.lower().map(SEXES).fillna(tables.UNKNOWN),
            "age_years": known["age"],
            "nodule": "positive" if name == NODULES else "negative",
            **{key: known[key] for key in ("size", "x", "y")},
        }
    )


def _number(text: pd.Series) -> pd.Series:
    """Turn cells into numbers; whatever is none is missing."""
    return text.where(text.str.fullmatch(NUMBER).fillna(False).astype(bool)).astype("float64")


def _circles(entries: pd.DataFrame) -> pd.DataFrame:
    """Mark each nodule by a circle [x, y, radius, side, side] in pixels of the original."""
    rows = entries[entries[["size", "x", "y"]].notna().all(axis=1)]
    radius = rows["size"] / SPACING_MM / 2
    places = zip(rows["x"].tolist(), rows["y"].tolist(), radius.tolist(), strict=True)
    known = pd.DataFrame(
        {"image_id": rows["image_id"], "geometry": [json.dumps([*of, SIDE, SIDE]) for of in places]}
    ).assign(label="nodule", i=0, kind="circle", source=f"{NODULES}.txt")
    return _source.fill(tables.ANNOTATIONS, known)
