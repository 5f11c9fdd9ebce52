"""MIMIC-IV-ED: the emergency stays around the X-rays, the same as in the admissions of MIMIC-IV."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cxrfair.phantom import output, population
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.writers import _mimic

COLUMNS = [
    "subject_id",
    "hadm_id",
    "stay_id",
    "intime",
    "outtime",
    "gender",
    "race",
    "arrival_transport",
    "disposition",
]
FIRST = COLUMNS[:5]  # those of version 1.0


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each patient, some at a time."""
    columns = FIRST if config.mimic_iv_version == 1 else COLUMNS
    with output.Tables(root) as tables:
        for numbers in population.blocks(config):
            persons = population.people(config, numbers)
            rows = _emergency(_mimic.stays(config, persons))
            tables.append("ed/edstays.csv.gz", rows[columns])
            yield persons.assign(subject_id=_mimic.subject_ids(config, numbers))


def _emergency(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `edstays.csv.gz`; `hadm_id` is empty where no admission followed."""
    rows = stays[stays["ed_start"].notna()]
    admitted = rows["start"].notna()
    frame = rows.assign(
        hadm_id=rows["hadm_id"].astype("Int64").where(admitted),
        intime=_mimic.written(rows["ed_start"], rows["ed_dirt"]),
        outtime=_mimic.written(rows["ed_end"], rows["ed_dirt"]),
        gender=rows["sex"].map({"female": "F", "male": "M"}),
        arrival_transport=np.where(rows["age_years"] > 70, "AMBULANCE", "WALK IN"),
        disposition=np.where(admitted, "ADMITTED", "HOME"),
    )
    return frame.sort_values(["subject_id", "stay_id"])
