"""What models are judged by: their answers on a common list of test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import group_thresholds
from cxrfair.errors import CxrfairError
from cxrfair.statistics import cells
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.estimates import Judged, Sample
from cxrfair.studies import Study, single
from cxrfair.thresholds import ALL

Array = NDArray[np.float64]
FOLD = "test"


class AuditError(CxrfairError):
    """Models cannot be judged, or not side by side."""


class Model(NamedTuple):
    """One training."""

    dataset: str
    variant: str
    seed: int


class Evidence(NamedTuple):
    """What a model is judged by: rows of `tables.PREDICTIONS` and of `tables.THRESHOLDS`."""

    predictions: pd.DataFrame
    thresholds: pd.DataFrame


@dataclass(frozen=True)
class TestSet:
    """The test images of a data set and all models' answers on them.

    `patient` (n,) numbers the patients; `people` has a row an image and a column for each single
    attribute; `target` (n, labels) is NaN where an image is not judged; `score`
    (models, n, labels); `threshold` (models, labels), or (models, n, labels) where groups of some
    model have thresholds of their own.
    """

    cells: Sequence[Cell]
    patient: NDArray[np.intp]
    people: pd.DataFrame
    target: Array
    score: Array
    threshold: Array

    @property
    def n_patients(self) -> int:
        """Return the number of patients."""
        return int(self.patient.max()) + 1 if len(self.patient) else 0

    def judged_for(self, i: int) -> NDArray[np.intp]:
        """Return the positions of the images that are judged for label `i`."""
        return np.flatnonzero(~np.isnan(self.target[:, i]))

    def of_label(self, i: int) -> tuple[Sample, Judged]:
        """Select the images that are judged for label `i`."""
        judged, threshold = self.judged_for(i), self.threshold[..., i]
        if threshold.ndim == 2:
            threshold = threshold[:, judged]
        return self._sample(self.target[:, i]), Judged(self.score[:, judged, i], threshold)

    def of_any_label(self) -> Sample:
        """Select the images that are judged for some label: positive if they are for one."""
        judged = ~np.isnan(self.target).all(axis=1)
        return self._sample(np.where(judged, (self.target == 1).any(axis=1), np.nan))

    def _sample(self, target: Array) -> Sample:
        """Drop the images whose target is NaN, also from the cells."""
        kept = np.flatnonzero(~np.isnan(target))
        place = np.full(len(target), -1)
        place[kept] = np.arange(len(kept))
        inside = []
        for cell in self.cells:
            rows = place[cell.rows]
            inside.append(Cell(cell.attribute, cell.group, rows[rows >= 0]))
        return Sample(target[kept].astype(np.int8), self.patient[kept], inside)


def align(
    study: Study, models: Mapping[Model, Evidence], cohort: pd.DataFrame, fold: str = FOLD
) -> TestSet:
    """Set all models' answers on a common list of images, those of one fold.

    Raises
    ------
    AuditError
        If models have not the same images, some are not in the cohort, or a model lacks a label's
        predictions or threshold.
    """
    answers = {key: _wide(key, of.predictions, study, fold) for key, of in models.items()}
    (first, (target, _)), *others = answers.items()
    for key, (again, _) in others:
        if not target.equals(again):
            raise AuditError(f"{key}: its {fold} images or targets differ from those of {first}")
    rows = cohort.set_index("image_id").reindex(target.index)
    lost = rows.index[rows["patient_id"].isna()]
    if len(lost):
        raise AuditError(f"{first}: {len(lost)} {fold} images are not in the cohort; allowed: none")
    return TestSet(
        cells=cells.make(rows, study.attributes),
        patient=pd.factorize(rows["patient_id"], sort=True)[0],
        people=rows[list(single(study.attributes))].reset_index(drop=True),
        target=target.to_numpy(np.float64),
        score=np.stack([score.to_numpy(np.float64) for _, score in answers.values()]),
        threshold=_decisions(study, models, rows),
    )


def _wide(
    key: Model, predictions: pd.DataFrame, study: Study, fold: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return target and score of a fold's images, (images, labels), sorted by image."""
    rows = predictions[predictions["fold"] == fold]
    missing = sorted(set(study.labels) - set(rows["label"]))
    if missing:
        raise AuditError(f"{key}: no {fold} predictions for label {missing[0]!r}; {missing}")
    kept = rows.astype({"target": "float64"})
    labels = list(study.labels)
    target = kept.pivot(index="image_id", columns="label", values="target")[labels]
    score = kept.pivot(index="image_id", columns="label", values="score")[labels]
    return target.mask(score.isna()), score


def _decisions(study: Study, models: Mapping[Model, Evidence], people: pd.DataFrame) -> Array:
    """Return all models' thresholds, (models, labels), or (models, n, labels) if some draw them."""
    whole = np.stack([_thresholds(key, of, study) for key, of in models.items()])
    own = [i for i, of in enumerate(models.values()) if (of.thresholds["group"] != ALL).any()]
    if not own:
        return whole
    found = np.repeat(whole[:, None], len(people), axis=1)
    chance = {label: group_thresholds.chances(list(people.index), label) for label in study.labels}
    keys = list(models)
    for i in own:
        rows = models[keys[i]].thresholds
        group = group_thresholds.groups(
            people.reset_index(), study.variants[keys[i].variant].groups
        )
        for j, label in enumerate(study.labels):
            of_label = rows[rows["label"] == label]
            found[i, :, j] = group_thresholds.applied(of_label, list(group), chance[label])
    return found


def _thresholds(key: Model, evidence: Evidence, study: Study) -> Array:
    """Return a model's threshold for each label, of images whose group has none of its own."""
    rows = evidence.thresholds[evidence.thresholds["group"] == ALL]
    values = rows.set_index("label")["value"].astype("float64")
    missing = sorted(set(study.labels) - set(values.index))
    if missing:
        raise AuditError(f"{key}: no threshold for label {missing[0]!r}; {missing}")
    return np.asarray(values.loc[list(study.labels)], np.float64)
