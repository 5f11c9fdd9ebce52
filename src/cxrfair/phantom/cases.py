"""Simulated images for the real cases of TCGA-LUAD's clinical table.

S and Y are the table's: sex, age and race make the bodies and the tone of the pictures (S -> X),
and the stage makes some findings likely (Y -> X). No finding follows an attribute by itself, since
S -> Y is in the table already. What the table does not know of a case is drawn as for anybody.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import Table, parquet

from cxrfair.datasets import SourceError, tcga_luad
from cxrfair.files import whole
from cxrfair.phantom import families, intervention, population, scene
from cxrfair.phantom.config import SEXES, PhantomConfig
from cxrfair.phantom.output import MARKER, whole_folder
from cxrfair.phantom.writers import tcga_luad as layout

TABLE = "clinical.tsv"
NOTICE = """PHANTOM
Every image in this folder is simulated: none is of a patient. They were drawn by cxrfair.phantom
for the cases of {table}, which is a copy of the table that was given; seed {seed}.
"""
PROFILE = layout.PROFILE
RACES = {words: race for race, words in layout.RACES.items() if race != "hispanic"}
HISPANIC = "hispanic or latino"  # of an ethnicity, which the adapter says after the race
SHOWN = {  # share of studies that show each of the grave findings, so that UNCLEAR do not fit
    "positive": 1 - layout.UNCLEAR ** (1 / len(layout.GRAVE)),
    "negative": 1 - (1 - layout.UNCLEAR) ** (1 / len(layout.GRAVE)),
}


def illustrate(clinical: Path, config: PhantomConfig, root: Path, truth: Path) -> int:
    """Write images for the cases of a clinical table, in TCIA's layout beside a copy of the table.

    The first `config.patients` cases by barcode have images, the others none, as many in TCIA. A
    case looks the same whatever other cases there are. The folder appears whole or not at all, with
    a marker file that says it is simulated; `truth` (Parquet) is one row an image, as of any
    phantom, with the stage as the adapter tells it.

    Returns
    -------
    The number of cases with images.

    Raises
    ------
    SourceError
        If the table cannot be read or names no case.
    PhantomError
        If `root` holds files that are not a phantom's.
    """
    cases = _read(clinical).sort_index().head(config.patients)
    settled = families.settled(config, PROFILE.dataset)
    with whole_folder(root) as part, whole(truth) as file:
        shutil.copyfile(clinical, part / TABLE)
        images = layout.save(settled, _scenes(settled, _people(settled, cases)), part)
        rows = Table.from_pandas(images, preserve_index=False).replace_schema_metadata(None)
        parquet.write_table(rows, file)
        notice = NOTICE.format(table=TABLE, seed=config.seed)
        (part / MARKER).write_text(notice, encoding="utf-8")
    return len(cases)


def _read(clinical: Path) -> pd.DataFrame:
    """Return what the adapter makes of the table: a row a case, by barcode."""
    if not clinical.is_file():
        raise SourceError(f"{clinical}: no such file; give the clinical table of the GDC")
    cases = tcga_luad.read_cases(clinical, tcga_luad.Options(), Counter())
    if cases.empty:
        raise SourceError(f"{clinical}: 0 cases; 1 or more are needed")
    return cases


def _people(config: PhantomConfig, cases: pd.DataFrame) -> pd.DataFrame:
    """Return the cases as the phantom's people, numbered by barcode; what is unknown is drawn."""
    numbers = [int(case[5:7] + case[8:], 36) for case in cases.index]
    cases = cases.assign(patient=numbers, case=cases.index).sort_values("patient")
    keys = cases["patient"].to_numpy(np.int64)
    drawn = population.people(config, keys).set_index(cases.index)
    race = cases["race"].map(RACES)
    race = race.mask(cases["race"].str.endswith(HISPANIC).fillna(False).astype(bool), "hispanic")
    years = cases["age_years"].clip(intervention.YOUNGEST, intervention.OLDEST - 1)
    told: dict[str, Any] = {
        "sex": cases["sex"].where(cases["sex"].isin(SEXES), drawn["sex"]).to_numpy(),
        "race": race.fillna(drawn["race"]).to_numpy(),
        "age_years": years.fillna(drawn["age_years"]).to_numpy(float),
    }
    people = population.people(config, keys, told)
    own = ("case", "late_stage")
    return people.assign(**{name: cases[name].to_numpy() for name in own})


def _scenes(config: PhantomConfig, people: pd.DataFrame) -> pd.DataFrame:
    """Return the X-rays of people whose stage is known, or known to be unknown."""
    parts = [
        population.studies(_ill(config, str(state)), same, PROFILE.dataset)
        for state, same in people.groupby("late_stage")
    ]
    return scene.of_studies(config, PROFILE, pd.concat(parts).sort_values("key", ignore_index=True))


def _ill(config: PhantomConfig, state: str) -> PhantomConfig:
    """Return the settings by which those fall ill whose stage is late, early or unknown."""
    nobody = dict.fromkeys(type(config.indirect_path).model_fields, 0.0)
    shares = dict.fromkeys(layout.GRAVE, SHOWN[state]) if state in SHOWN else {}
    return config.model_copy(
        update={
            "indirect_path": config.indirect_path.model_copy(update=nobody),
            "prevalence": config.prevalence.model_copy(update=shares),
        }
    )
