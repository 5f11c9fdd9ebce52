"""Sums over what was trained on, group by group and label by label."""

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

ANY = "any"  # the label of rows that count all entries
FOLD = "train"
People = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Counts = Mapping[str, NDArray[Any]]  # what is added up, of each training image (n,)


class TallyError(CxrfairError):
    """Something was trained on what is not there to be trained on."""


class Trainees(NamedTuple):
    """The n training images of a study: rows of its cohort, and which are positive, (n,) a label.

    An image in doubt is not positive.
    """

    members: pd.DataFrame
    positive: Mapping[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.members)

    def rows(self, images: pd.Series, what: str) -> NDArray[np.intp]:
        """Return where images stand among these, (m,).

        Raises
        ------
        TallyError
            If one is not of the training fold; `what` says where it came from.
        """
        rows = places(images, self.members["image_id"])
        if odd := int((rows < 0).sum()):
            raise TallyError(f"{what}: {odd} entries are of no training image; allowed: 0")
        return rows


def trainees(people: People, study: Study) -> Trainees:
    """Find the training images; `people` are rows of `tables.COHORT`, `TARGETS` and `SPLITS`."""
    cohort, targets, splits = people
    members = cohort.merge(splits[splits["fold"] == FOLD][["image_id"]], on="image_id")
    certain = targets.assign(target=judged(targets["target"]).eq(1).fillna(value=False))
    has = certain[certain["target"].astype(bool)]
    positive = {
        label: places(members["image_id"], has.loc[has["label"] == label, "image_id"]) >= 0
        for label in study.labels
    }
    return Trainees(members, positive)


def tally(counts: Counts, of: Trainees, study: Study) -> Iterator[dict[str, object]]:
    """Yield the sums of each group of the study's attributes, then of the positives of each label.

    Rows of groups are of the label `any`, those of labels of all images.
    """
    for cell in cells.make(of.members, study.attributes):
        place = {"attribute": cell.attribute, "group": cell.group, "label": ANY}
        yield place | {name: each[cell.rows].sum() for name, each in counts.items()}
    for label in study.labels:
        place = {"attribute": ALL, "group": ALL, "label": label}
        yield place | {name: each[of.positive[label]].sum() for name, each in counts.items()}
