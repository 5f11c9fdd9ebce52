"""Fresh heads on the stored features of a model: many trials of one variant, and their scores."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from cxrfair import heads
from cxrfair.config import Section
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.heads import NO_GROUP, Fitted, Known, Material
from cxrfair.labels import IN_DOUBT, SOFT
from cxrfair.lookup import people_of
from cxrfair.tables import UNKNOWN
from cxrfair.training.examples import group_index, target_matrix

Scores = NDArray[np.float32]
JUDGED = ("validation", "test")


class HeadSpec(Section):
    """Everything that decides the trials of a variant beside its data.

    `settings` are those of the head, `groups` the attributes whose cells it is told about.
    """

    head: str
    settings: dict[str, Any]
    groups: tuple[str, ...]
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    seed: NonNegativeInt
    trials: PositiveInt


class HeadTrialsError(CxrfairError):
    """Heads cannot be fitted on these images, or answer what is no score."""


@dataclass(frozen=True)
class Images:
    """Images of all folds in order of id, with what is known of them.

    `ids` has columns image_id and fold; `target` (n, k) is -1 for a label in doubt, NaN for a
    missing one.
    """

    ids: pd.DataFrame
    target: NDArray[np.float32]
    group: NDArray[np.int64]
    groups: tuple[str, ...]

    def of(self, *folds: str) -> NDArray[np.intp]:
        """Return the rows of some folds."""
        return np.flatnonzero(self.ids["fold"].isin(folds))


def align(
    spec: HeadSpec, splits: pd.DataFrame, cohort: pd.DataFrame, targets: pd.DataFrame
) -> Images:
    """Set what is known of the images in folds side by side.

    An image of which an attribute of the groups is unknown is in no group.

    Raises
    ------
    HeadTrialsError
        If an image in a fold is not in the cohort, or a label cannot be learnt.
    CxrfairError
        If there is no such attribute.
    """
    ids = splits[["image_id", "fold"]].sort_values("image_id", ignore_index=True)
    whose = people_of(ids["image_id"], cohort, ("heads", "images in folds"), HeadTrialsError)
    matrix = target_matrix(targets, ids["image_id"], spec.labels)
    group, names = _groups(whose, spec.groups)
    images = Images(ids, matrix.to_numpy(np.float32), group, names)
    _refuse_one_class(images.target[images.of("train")], spec.labels)
    return images


def fit(spec: HeadSpec, images: Images, stored: Embeddings, device: torch.device) -> Fitted:
    """Fit all trials of a variant.

    Raises
    ------
    CxrfairError
        If there are no such settings, or the images are not what the head needs.
    """
    head = heads.get(spec.head)
    config = head.Config.parse(json.dumps(spec.settings), f"heads.{spec.head}")
    train, validation = (_known(images, images.of(fold), stored) for fold in ("train", JUDGED[0]))
    material = Material(spec.labels, images.groups, train, validation)
    return head.fit(material, config, heads.Trials(spec.seed, spec.trials, device))


def score(fitted: Fitted, images: Images, stored: Embeddings, path: Path) -> pd.DataFrame:
    """Write the scores (t, n, k) float32 of validation and test images to `path`, trial by trial.

    Whole or not at all; memory does not grow with the trials.

    Returns
    -------
    DataFrame
        Rows of `tables.TRIAL_INDEX`: where each image stands on the axis n.
    """
    judged = images.ids.iloc[images.of(*JUDGED)].reset_index(drop=True)
    features = stored.read(judged["image_id"].tolist())
    shape = (len(fitted.weight), len(judged), fitted.bias.shape[1])
    with whole(path) as part:
        out = np.lib.format.open_memmap(part, "w+", np.float32, shape)
        for trial in range(shape[0]):
            out[trial] = _scores(fitted, trial, features)
        out.flush()
    return judged.assign(row=np.arange(len(judged)))


def predict(spec: HeadSpec, fitted: Fitted, images: Images, stored: Embeddings) -> pd.DataFrame:
    """Score the images of all folds by the head of trial 0, as `inference.predict` does a network.

    Returns
    -------
    DataFrame
        Rows of `tables.PREDICTIONS`; no target where a label is in doubt.
    """
    scores = _scores(fitted, 0, stored.read(images.ids["image_id"].tolist()))
    target = np.where(images.target == IN_DOUBT, np.nan, images.target)
    frames = [
        images.ids.assign(label=label, target=_nullable(target[:, k]), score=scores[:, k])
        for k, label in enumerate(spec.labels)
    ]
    return pd.concat(frames, ignore_index=True)


def describe(spec: HeadSpec, fitted: Fitted, images: Images) -> dict[str, Any]:
    """Say what was fitted, on how many images, and what is to be known beside it."""
    train = images.of("train")
    counts = np.bincount(images.group[train] + 1, minlength=len(images.groups) + 1)
    return {
        "head": spec.head,
        "source": heads.get(spec.head).SOURCE,
        "settings": spec.settings,
        "seed": spec.seed,
        "trials": len(fitted.weight),
        "training_images": len(train),
        "groups": dict(zip(images.groups, counts[1:].tolist(), strict=True)),
        "notes": list(fitted.notes),
    }


def _known(images: Images, rows: NDArray[np.intp], stored: Embeddings) -> Known:
    """Take what a head may know of some images; of a label in doubt it learns half of each."""
    target = images.target[rows]
    target[target == IN_DOUBT] = SOFT
    features = stored.read(images.ids["image_id"].iloc[rows].tolist())
    return Known(features, target, images.group[rows])


def _groups(people: pd.DataFrame, by: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give each image of known attributes the number of its cell of them."""
    group = np.full(len(people), NO_GROUP, np.int64)
    have = [name for name in by if name in people]
    inside = np.flatnonzero((people[have] != UNKNOWN).all(axis=1))
    some = people.iloc[inside].reset_index(drop=True)
    group[inside], groups = group_index(some, pd.DataFrame(index=some.index), by)
    return group, groups.names


def _refuse_one_class(target: NDArray[np.float32], labels: tuple[str, ...]) -> None:
    """Say before the first trial that a label lacks positives or negatives."""
    for name, column in zip(labels, target.T, strict=True):
        positive, negative = int((column == 1).sum()), int((column == 0).sum())
        if not positive or not negative:
            counts = f"{positive} positive, {negative} negative"
            raise HeadTrialsError(
                f"training images, label {name}: {counts}; both classes are needed"
            )


def _scores(fitted: Fitted, trial: int, features: NDArray[np.float32]) -> Scores:
    """Score images (n, d) by one head: (n, k) in [0, 1]."""
    weight, bias, told = map(torch.from_numpy, (fitted.weight[trial], fitted.bias[trial], features))
    logit = torch.addmm(bias, told, weight.T)
    if bad := int((~torch.isfinite(logit)).any(1).sum()):
        raise HeadTrialsError(
            f"trial {trial}: scores of {bad} images are not finite; allowed: none"
        )
    scores: Scores = logit.sigmoid().numpy()
    return scores


def _nullable(target: NDArray[np.float32]) -> pd.Series:
    return pd.Series(target).astype("Int8")
