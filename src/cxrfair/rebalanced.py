"""What rebalanced training lists hold, group by group and label by label, beside what was there.

Nothing but lists, attributes and labels is needed: how balanced a list is can be told before
anything is trained on it (Roudsari 2025, Section 4.2.4; Figures 1, 3 and 4).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrfair.studies import Study
from cxrfair.tables import COVERAGE, TRAINED_ON
from cxrfair.tallies import Counts, People, Trainees, tally, trainees

NONE = "none"  # the training images as they are


def weigh(
    where: tuple[str, str],
    study: Study,
    lists: Mapping[tuple[str, int], pd.DataFrame],
    people: People,
) -> pd.DataFrame:
    """Count what lists hold of every group of the study's attributes, and of every label.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    lists
        Rows of `tables.TRAINING_LIST` by name of the rebalancing and seed.
    people
        Rows of `tables.COHORT`, `tables.TARGETS` and `tables.SPLITS`.

    Returns
    -------
    DataFrame
        Rows of `tables.TRAINED_ON`: of each group all entries, of all images those positive for a
        label, too. First, for every seed, the training images as they are (`none`), each with
        weight 1. An entry that lies towards a partner counts for the image that it starts from.

    Raises
    ------
    TallyError
        If a list names an image that is not of the training fold.
    """
    of = trainees(people, study)
    once = {"weight": np.ones(len(of)), "n": np.ones(len(of), np.int64)}
    of_lists: dict[tuple[str, int], Counts] = {(NONE, seed): once for seed in study.seeds}
    of_lists |= {key: _held(of, rows, key) for key, rows in lists.items()}
    found = [
        {"rebalance": name, "seed": seed, **row}
        for (name, seed), held in of_lists.items()
        for row in tally({**held, "n_images": held["n"] > 0}, of, study)
    ]
    named = pd.DataFrame(found).assign(study=where[0], dataset=where[1], note=None)
    return named[list(TRAINED_ON.schema.names)]


def covered(where: tuple[str, str], kept: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Stack how well lists cover the images that they leave out.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    kept
        Rows of `tables.KEPT` by name of the rebalancing and seed.

    Returns
    -------
    DataFrame
        Rows of `tables.COVERAGE`; none of lists that have none.
    """
    place = {"study": where[0], "dataset": where[1]}
    parts = [
        rows.assign(**place, rebalance=name, seed=seed)
        for (name, seed), rows in kept.items()
        if not rows.empty
    ]
    if not parts:
        return COVERAGE.empty()
    return pd.concat(parts, ignore_index=True)[list(COVERAGE.schema.names)]


def _held(of: Trainees, listed: pd.DataFrame, key: tuple[str, int]) -> Counts:
    """Add up what a list holds of each image: its weight, and its entries."""
    rows = of.rows(listed["image_id"], f"training list {key[0]}, seed {key[1]}")
    weight = np.bincount(rows, listed["weight"].to_numpy(np.float64), len(of))
    return {"weight": weight, "n": np.bincount(rows, minlength=len(of))}
