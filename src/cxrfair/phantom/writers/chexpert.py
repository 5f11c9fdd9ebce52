"""CheXpert-v1.0-small: lists and folders by fold, and the workbook of demographics.

The training list is labelled from reports, the other two by radiologists, who are right.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.xml.constants import ARC_CORE
from openpyxl.xml.functions import tostring

from cxrfair.phantom import noise, output, population, reporting
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.writers import _chexpert, _images

FOLDER = "CheXpert-v1.0-small"
WORKBOOK = "CHEXPERT DEMO.xlsx"
SHEET = ("PATIENT", "GENDER", "AGE_AT_CXR", "PRIMARY_RACE", "ETHNICITY")
MOST_ROWS = 2**20 - 1  # that a sheet has room for below its header
SEXES = {"female": "Female", "male": "Male"}
NOT_HISPANIC = "Non-Hispanic/Non-Latino"
RACE_WORDS = {
    "white": ("White", "White, non-Hispanic"),
    "black": ("Black or African American", "Black, non-Hispanic"),
    "hispanic": ("Other", "White, Hispanic", "Other, Hispanic"),
    "asian": ("Asian", "Asian, non-Hispanic"),
    "other": (
        "Other",
        "Native Hawaiian or Other Pacific Islander",
        "Native American, non-Hispanic",
    ),
}
RACE_UNKNOWN = ("Unknown", "Race and Ethnicity Unknown", "Patient Refused", "")
STAMP = (1980, 1, 1, 0, 0, 0)  # of every part of the workbook, which is a zip archive
LAYOUT = _images.Layout(_chexpert.PROFILE)


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    _write_workbook(config, root / WORKBOOK)
    with output.Tables(root) as tables:
        for scenes in _chexpert.images(config):
            said = reporting.report(config, scenes, _chexpert.PROFILE.dataset)
            images = _images.save(config, scenes, root, LAYOUT)
            rows = _rows(config, images, said)
            for fold in _chexpert.FOLDS:
                tables.append(f"{fold}.csv", rows[images["fold"] == fold])
            yield images


def _rows(config: PhantomConfig, images: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the lists; a few know no sex, which is the patient's, or no age."""
    by_patient = noise.uniform(config.seed, "chexpert sex", images["patient"].to_numpy(), 1)[:, 0]
    by_study = noise.uniform(config.seed, "chexpert age", images["key"].to_numpy(), 1)[:, 0]
    silent = by_patient < config.missing_share
    ageless = by_study < config.missing_share
    lateral = images["lateral"].to_numpy(bool)
    train = (images["fold"] == "train").to_numpy()
    labels = pd.concat(
        [
            _chexpert.labelled_from_reports(said[train]),
            _chexpert.read_by_radiologists(images[~train]),
        ]
    ).reindex(images.index)
    described = pd.DataFrame(
        {
            "Path": f"{FOLDER}/" + images["path"],
            "Sex": np.where(silent, "Unknown", images["sex"].map(SEXES)),
            "Age": np.where(ageless, 0, images["age_years"].astype(int)),
            "Frontal/Lateral": np.where(lateral, "Lateral", "Frontal"),
            "AP/PA": images["view"].mask(lateral),
        }
    )
    return pd.concat([described, labels], axis=1)


def _write_workbook(config: PhantomConfig, path: Path) -> None:
    """Write one row a patient, in order; equal content is equal bytes.

    Raises
    ------
    PhantomError
        If there are more patients than a sheet has rows.
    """
    if config.patients > MOST_ROWS:
        raise PhantomError(
            f"phantom.patients: {config.patients}; at most {MOST_ROWS} fit into {WORKBOOK}"
        )
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(SHEET)
    for numbers in population.blocks(config):
        for row in _people(config, population.people(config, numbers)):
            sheet.append(row)
    dated = path.with_name(f".{path.name}.dated")
    book.save(dated)
    _undate(book, dated, path)
    dated.unlink()


def _people(config: PhantomConfig, persons: pd.DataFrame) -> Iterator[tuple[str | int | None, ...]]:
    """Yield rows of the workbook: some of no race, some whose sex or age is not that of the list.

    Sex contradicts the list only where the list knows it.
    """
    numbers = persons["patient"].to_numpy()
    u = noise.uniform(config.seed, "chexpert workbook", numbers, 4)
    listed = noise.uniform(config.seed, "chexpert sex", numbers, 1)[:, 0] >= config.missing_share
    names = _chexpert.patient_ids(numbers)
    for i, (sex, age, race) in enumerate(persons[["sex", "age_years", "race"]].to_numpy()):
        wrong = u[i, 0] < config.dirt_share
        gender = {"Female": "Male", "Male": "Female"}[SEXES[sex]] if wrong else SEXES[sex]
        words = RACE_WORDS[race] if u[i, 1] >= config.missing_share else RACE_UNKNOWN
        known = words is not RACE_UNKNOWN
        hispanic = "Hispanic/Latino" if race == "hispanic" else NOT_HISPANIC
        yield (
            names[i],
            gender if listed[i] else SEXES[sex],
            int(age) - (4 if u[i, 3] < config.dirt_share else 0),
            words[int(u[i, 2] * len(words))] or None,
            hispanic if known else "Unknown",
        )


def _undate(book: openpyxl.Workbook, dated: Path, path: Path) -> None:
    """Copy a workbook, with a fixed date in place of those at which its parts were written."""
    book.properties.created = book.properties.modified = datetime(*STAMP)
    about = BytesIO(tostring(book.properties.to_tree()))
    with ZipFile(dated) as old, ZipFile(path, "w") as new:
        for name in sorted(old.namelist()):
            part = ZipInfo(name, STAMP)
            part.compress_type = ZIP_DEFLATED
            with old.open(name) as source, new.open(part, "w", force_zip64=True) as copy:
                shutil.copyfileobj(about if name == ARC_CORE else source, copy)
