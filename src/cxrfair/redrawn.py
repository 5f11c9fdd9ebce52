"""Whose images a method leaves out of its training list, or draws more often, group by group.

What a network finds easy or hard is read off the repeats that its method gave each entry: nothing
but those, attributes and labels is needed (Roudsari 2025, Section 6; Liu et al. 2021, Section 5).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrfair.studies import Study
from cxrfair.tables import REDRAWN
from cxrfair.tallies import Counts, People, Trainees, tally, trainees


def count(
    where: tuple[str, str],
    study: Study,
    drawn: Mapping[tuple[str, int], pd.DataFrame],
    people: People,
) -> pd.DataFrame:
    """Count the entries of every group of the study's attributes, and of each label's positives.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    drawn
        Rows of `tables.DRAWN` by variant and seed.
    people
        Rows of `tables.COHORT`, `tables.TARGETS` and `tables.SPLITS`.

    Returns
    -------
    DataFrame
        Rows of `tables.REDRAWN`: entries of the training list (copies count each), those left out,
        and those drawn more than once an epoch. An entry that lies towards a partner counts for the
        image that it starts from; a label in doubt is not positive.

    Raises
    ------
    TallyError
        If a training took an image that is not of the training fold.
    """
    of = trainees(people, study)
    found = [
        {"variant": variant, "seed": seed, **row}
        for (variant, seed), rows in drawn.items()
        for row in tally(_counted(of, rows, (variant, seed)), of, study)
    ]
    named = pd.DataFrame(found).assign(study=where[0], dataset=where[1], note=None)
    return named[list(REDRAWN.schema.names)]


def _counted(of: Trainees, drawn: pd.DataFrame, key: tuple[str, int]) -> Counts:
    """Count the entries of each image: all, those left out, and those drawn more than once."""
    rows = of.rows(drawn["image_id"], f"training of {key[0]}, seed {key[1]}")
    repeats = drawn["repeats"].to_numpy(np.int64)
    chosen = {"n": rows, "n_left_out": rows[repeats == 0], "n_more": rows[repeats > 1]}
    return {name: np.bincount(each, minlength=len(of)) for name, each in chosen.items()}
