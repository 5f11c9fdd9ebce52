"""A share of the positive images whose outlines are shown, at one and the same set of images."""

import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cxrfair.config import Section
from cxrfair.hashing import stable_hash
from cxrfair.lookup import places
from cxrfair.rebalance._cells import attributes_and_labels
from cxrfair.rebalance._strategy import RebalanceError, once_each

READS_ANNOTATIONS = True

Pairs = set[tuple[str, str]]


class Config(Section):
    """Settings of entries of `rebalance` in params.yaml with `strategy: guided_share`.

    `level` is the share of the positive, annotated images of a label that are guided; `ratio` the
    share of the training patients whose images are listed at all.
    """

    level: float = Field(ge=0, le=1)
    ratio: float = Field(gt=0, le=1)


def rebalance(
    members: pd.DataFrame,
    config: Config,
    seed: int,
    marks: pd.DataFrame,
    patients: NDArray[np.object_],
) -> pd.DataFrame:
    """List the images of some patients once each, and say of which labels their masks are shown.

    Of n patients round(ratio n) are kept (halves to even), the same whatever seed and level, and
    those of a smaller ratio are among those of a larger one. Patients are cells by which labels any
    of their images is positive for, and the order in which they are kept is spread evenly over each
    cell: of a cell of c about ratio c are kept, to one patient or two, and so of each label's
    positives.

    Of the m listed images that are positive for a label and have a mask of it, round(level m) are
    guided: the first in the order of a hash of seed, image and label. Those of a lower level are
    among those of a higher one. Nothing else depends on the level: each list is of one length, and
    an image is augmented alike in all. Source: Luo et al. 2025 (see method `aligner`), section 2.1,
    whose levels are shares of the whole data set, all of it annotated; of ours only some is, so
    that levels are shares of what can guide.

    Parameters
    ----------
    members, marks, patients
        As `Strategy` says.

    Raises
    ------
    RebalanceError
        If something is to be guided and no listed image is positive and has a mask.
    """
    patient = pd.Series(patients, index=members.index, dtype="str")
    asked = pd.Series(_kept(members, patient, config.ratio), dtype="str")
    kept = members[places(patient, asked) >= 0]
    listed = once_each(kept, pd.Series(1.0, index=kept.index), seed)
    shown: dict[str, list[str]] = {}
    for image, label in sorted(_guided(_annotated(kept, marks), config.level, seed)):
        shown.setdefault(image, []).append(label)
    said = {image: json.dumps(labels) for image, labels in shown.items()}
    return listed.assign(guided=listed["image_id"].map(said).astype("string"))


def _kept(members: pd.DataFrame, patient: pd.Series, ratio: float) -> list[str]:
    """Choose patients: the first of an order in which every cell is spread evenly.

    The r-th of a cell of c, r from 0, stands at (r + u) / c, with u in (0, 1) the cell's own: any
    beginning of the order has its share of every cell, and cells of one come anywhere.
    """
    _, labels = attributes_and_labels(members)
    positive = np.stack([patient.notna(), *(_positive(members, label) for label in labels)], 1)
    of_patient = pd.DataFrame(positive).groupby(patient.to_numpy()).any()
    by_hash = sorted(of_patient.index, key=lambda who: stable_hash("ratio", who))
    kinds, cell = np.unique(of_patient.loc[by_hash].to_numpy(), axis=0, return_inverse=True)
    offset = np.array([_offset(kind) for kind in kinds.astype(int).tolist()])
    rank = pd.Series(cell).groupby(cell).cumcount().to_numpy()
    place = (rank + offset[cell]) / np.bincount(cell)[cell]
    order = np.argsort(place, kind="stable")  # ties in the order of the hash
    return [by_hash[at] for at in order[: round(ratio * len(order))]]


def _offset(kind: list[int]) -> float:
    """Hash a cell to a number between 0 and 1, both left out."""
    return ((stable_hash("cell", *kind) >> 11) + 0.5) / 2**52


def _positive(members: pd.DataFrame, label: str) -> NDArray[np.bool_]:
    """Say of each image whether its target is 1; a missing one is not."""
    return (members[label] == 1).fillna(False).to_numpy(bool)


def _annotated(kept: pd.DataFrame, marks: pd.DataFrame) -> dict[str, list[str]]:
    """List by label the images that are positive for it and have a mask of it."""
    _, labels = attributes_and_labels(kept)
    own = marks[marks["fold"] == "train"]
    found = {}
    for label in labels:
        drawn = own.loc[own["label"] == label, "image_id"]
        seen = places(kept["image_id"], drawn) >= 0
        found[label] = kept["image_id"][seen & _positive(kept, label)].tolist()
    return found


def _guided(annotated: dict[str, list[str]], level: float, seed: int) -> Pairs:
    """Choose pairs of image and label."""
    if level and not any(annotated.values()):
        raise RebalanceError(
            f"rebalance.guided_share: level {level}, but 0 listed images are positive for a label "
            "and have a mask of it; at least 1 is needed, or level 0"
        )
    found: Pairs = set()
    for label, images in annotated.items():
        first = sorted(images, key=lambda image: (stable_hash(seed, image, label), image))
        found |= {(image, label) for image in first[: round(level * len(first))]}
    return found
