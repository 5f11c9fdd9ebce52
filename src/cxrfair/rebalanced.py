"""What rebalanced training lists hold, group by group and label by label, beside what was there.

Nothing but lists, attributes and labels is needed: how balanced a list is can be told before
anything is trained on it (Roudsari 2025, Section 4.2.4; Figures 1, 3 and 4).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.labels import judged
from cxrfair.lookup import places
from cxrfair.statistics import cells
from cxrfair.statistics.cells import ALL
from cxrfair.studies import Study
from cxrfair.tables import COVERAGE, TRAINED_ON

NONE = "none"  # the training images as they are
ANY = "any"  # the label of rows that count all entries
FOLD = "train"


class RebalancedError(CxrfairError):
    """A training list of what is not there to be trained on."""


class Held(NamedTuple):
    """What a list holds of each training image: sum of weights and number of entries, (n,)."""

    weight: NDArray[np.float64]
    n: NDArray[np.int64]


def weigh(
    where: tuple[str, str],
    study: Study,
    lists: Mapping[tuple[str, int], pd.DataFrame],
    people: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
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
    RebalancedError
        If a list names an image that is not of the training fold.
    """
    cohort, targets, splits = people
    members = cohort.merge(splits[splits["fold"] == FOLD][["image_id"]], on="image_id")
    has = positive(members["image_id"], targets, study)
    once = Held(np.ones(len(members)), np.ones(len(members), np.int64))
    of_lists = {(NONE, seed): once for seed in study.seeds}
    of_lists |= {key: _held(members["image_id"], rows, key) for key, rows in lists.items()}
    found = [
        {"rebalance": name, "seed": seed, **row}
        for (name, seed), held in of_lists.items()
        for row in _rows(held, members, has, study)
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


def positive(images: pd.Series, targets: pd.DataFrame, study: Study) -> dict[str, NDArray[Any]]:
    """Tell for each label which images (n,) are positive; one in doubt is not."""
    certain = targets.assign(target=judged(targets["target"]).eq(1).fillna(value=False))
    has = certain[certain["target"].astype(bool)]
    return {
        label: places(images, has.loc[has["label"] == label, "image_id"]) >= 0
        for label in study.labels
    }


def _held(images: pd.Series, listed: pd.DataFrame, key: tuple[str, int]) -> Held:
    """Add up a list's entries by image."""
    rows = places(listed["image_id"], images)
    if odd := int((rows < 0).sum()):
        raise RebalancedError(
            f"training list {key[0]}, seed {key[1]}: {odd} entries are of no training image; "
            "allowed: 0"
        )
    weight = np.bincount(rows, listed["weight"].to_numpy(np.float64), len(images))
    number = np.bincount(rows, minlength=len(images)).astype(np.int64)
    return Held(weight.astype(np.float64), number)


def _rows(
    held: Held, members: pd.DataFrame, has: Mapping[str, NDArray[Any]], study: Study
) -> Iterator[dict[str, object]]:
    """Yield the counts of each group, and of the positives of each label."""
    for cell in cells.make(members, study.attributes):
        place = {"attribute": cell.attribute, "group": cell.group, "label": ANY}
        yield place | _counts(held, cell.rows)
    for label in study.labels:
        place = {"attribute": ALL, "group": ALL, "label": label}
        yield place | _counts(held, np.flatnonzero(has[label]))


def _counts(held: Held, rows: NDArray[np.intp]) -> dict[str, object]:
    """Count entries and different images among some."""
    n = held.n[rows]
    return {"weight": held.weight[rows].sum(), "n": n.sum(), "n_images": int((n > 0).sum())}
