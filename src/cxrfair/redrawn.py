"""Whose images a method leaves out of its training list, or draws more often, group by group.

What a network finds easy or hard is read off the repeats that its method gave each entry: nothing
but those, attributes and labels is needed (Roudsari 2025, Section 6; Liu et al. 2021, Section 5).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.lookup import places
from cxrfair.rebalanced import ANY, FOLD, positive
from cxrfair.statistics import cells
from cxrfair.statistics.cells import ALL
from cxrfair.studies import Study
from cxrfair.tables import REDRAWN

Counts = Mapping[str, NDArray[np.int64]]  # what is counted, of each training image (n,)


class RedrawnError(CxrfairError):
    """A training took what is not there to be trained on."""


def count(
    where: tuple[str, str],
    study: Study,
    drawn: Mapping[tuple[str, int], pd.DataFrame],
    people: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
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
    RedrawnError
        If a training took an image that is not of the training fold.
    """
    cohort, targets, splits = people
    members = cohort.merge(splits[splits["fold"] == FOLD][["image_id"]], on="image_id")
    has = positive(members["image_id"], targets, study)
    of_models = {key: _counted(members["image_id"], rows, key) for key, rows in drawn.items()}
    found = [
        {"variant": variant, "seed": seed, **row}
        for (variant, seed), counts in of_models.items()
        for row in _rows(counts, members, has, study)
    ]
    named = pd.DataFrame(found).assign(study=where[0], dataset=where[1], note=None)
    return named[list(REDRAWN.schema.names)]


def _counted(images: pd.Series, drawn: pd.DataFrame, key: tuple[str, int]) -> Counts:
    """Count the entries of each image: all, those left out, and those drawn more than once."""
    rows = places(drawn["image_id"], images)
    if odd := int((rows < 0).sum()):
        raise RedrawnError(
            f"training of {key[0]}, seed {key[1]}: {odd} entries are of no training image; "
            "allowed: 0"
        )
    repeats = drawn["repeats"].to_numpy(np.int64)
    chosen = {"n": rows, "n_left_out": rows[repeats == 0], "n_more": rows[repeats > 1]}
    return {name: np.bincount(of, minlength=len(images)) for name, of in chosen.items()}


def _rows(
    counts: Counts, members: pd.DataFrame, has: Mapping[str, NDArray[Any]], study: Study
) -> Iterator[dict[str, object]]:
    """Yield the sums of each group, and of the positives of each label."""
    for cell in cells.make(members, study.attributes):
        place = {"attribute": cell.attribute, "group": cell.group, "label": ANY}
        yield place | {name: each[cell.rows].sum() for name, each in counts.items()}
    for label in study.labels:
        place = {"attribute": ALL, "group": ALL, "label": label}
        yield place | {name: each[has[label]].sum() for name, each in counts.items()}
