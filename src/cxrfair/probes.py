"""How well a linear probe reads a patient's group off the features of a frozen network.

A probe is fitted on training images and judged on others (Yang et al. 2024, The limits of fair
medical imaging AI in real-world generalization). Groups differ in disease, so features that say the
disease say something of the group: the probe is judged among images of one label value as well
(Glocker et al. 2023, Algorithmic encoding of protected characteristics in chest X-ray disease
detection models). That a probe finds something does not show that the network uses it; that it
finds nothing, only that a linear one cannot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy.special import logsumexp

from cxrfair import labels
from cxrfair.config import Section
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash
from cxrfair.lookup import people_of, places, take
from cxrfair.progress import track
from cxrfair.statistics import logistic
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import group_values
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.statistics.versus import Answer, Question, Resampling, ask, judge
from cxrfair.studies import Study, single
from cxrfair.tables import ATTRIBUTE_LEAKAGE, UNKNOWN

Codes = NDArray[np.intp]
JUDGED = ("validation", "test")


class ProbeError(CxrfairError):
    """There is nothing to fit a probe on, or an image of which nobody knows whose it is."""


class ProbeConfig(Section):
    """Section `probe` of params.yaml.

    `images` is how many training images are used at most: those with the lowest hash of their id.
    `penalty` holds weights down, as `statistics.logistic.fit` says.
    """

    images: PositiveInt
    penalty: Annotated[float, Field(gt=0)]


class People(NamedTuple):
    """Rows of `tables.SPLITS`, `tables.COHORT` and `tables.TARGETS` of one data set."""

    splits: pd.DataFrame
    cohort: pd.DataFrame
    targets: pd.DataFrame


@dataclass(frozen=True)
class Images:
    """Images (n) in order of id: `whose` they are, their `group` of each attribute, their `target`.

    Columns are image_id, fold and patient_id; attributes; labels, as 0, 1 or NaN where not judged.
    """

    whose: pd.DataFrame
    group: pd.DataFrame
    target: pd.DataFrame

    def at(self, rows: Codes) -> "Images":
        """Return some of them."""
        return Images(self.whose.iloc[rows], self.group.iloc[rows], self.target.iloc[rows])

    def of(self, fold: str) -> "Images":
        """Return those in a fold."""
        return self.at(np.flatnonzero(self.whose["fold"] == fold))

    @property
    def ids(self) -> list[str]:
        """Return their ids."""
        return self.whose["image_id"].tolist()


@dataclass(frozen=True)
class Probe:
    """A fit that tells `groups` apart, learnt from `n` images of each; None for fewer than two."""

    groups: tuple[str, ...]
    n: tuple[int, ...]
    fit: logistic.Fit | None

    def answer(self, features: NDArray[np.float32]) -> Answer:
        """Score images (n, d) by each group's log odds against all others.

        They order images as probabilities do, but never round to 1, which would tie images.
        """
        learnt = dict(zip(self.groups, self.n, strict=True))
        if self.fit is None:
            return Answer({}, learnt, "fewer than two groups in training")
        logit = features.astype(np.float64) @ self.fit.weight + self.fit.intercept
        others = [logsumexp(np.delete(logit, g, axis=1), axis=1) for g in range(len(self.groups))]
        score = {name: logit[:, g] - others[g] for g, name in enumerate(self.groups)}
        return Answer(score, learnt, self.fit.note)


@dataclass(frozen=True)
class Fold:
    """Images that probes are judged on, and what is asked of them, by attribute."""

    ids: list[str]
    questions: Mapping[str, Question]
    resampling: Resampling


def probe(
    where: tuple[str, str],
    study: Study,
    models: Mapping[tuple[str, int], Embeddings],
    people: People,
    config: ProbeConfig,
    uncertainty: Uncertainty,
) -> pd.DataFrame:
    """Probe each model's features for every attribute of a study, alone, and crossed as listed.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    models
        Stored features by variant and seed.

    Returns
    -------
    DataFrame
        Rows of `tables.ATTRIBUTE_LEAKAGE`: AUROC of one group against all others, and `between`,
        its mean over groups; over all images (label `any`, within `all`), and among the positives
        and among the negatives of each label. `n` is the group's images, `n_positive` those
        positive for the label (`any`: for one at least). Intervals: percentiles over resampled
        patients, the same for every model, the probe being what it is. Images of unknown group
        take no part. NaN with a note where a group has no training image or nobody to be told from.

    Raises
    ------
    ProbeError
        If no image is in training, or an image in a fold is not in the cohort.
    EmbeddingError
        If a model lacks the features of an image.
    """
    images = _align(study, people)
    train = chosen(images.of("train"), config.images)
    folds = {name: _fold(images.of(name), images.group, uncertainty) for name in JUDGED}
    rows, what = [ATTRIBUTE_LEAKAGE.empty()], f"probe {where[0]} {where[1]}"
    for (variant, seed), stored in track(models.items(), what, "models", len(models)):
        probes = fit(stored.read(train.ids), train.group, config.penalty)
        for name, fold in folds.items():
            found = _judge_all(fold, probes, stored.read(fold.ids))
            rows += [row.assign(variant=variant, seed=seed, fold=name) for row in found]
    every = pd.concat(rows[1:] or rows, ignore_index=True).assign(study=where[0], dataset=where[1])
    return every.reindex(columns=ATTRIBUTE_LEAKAGE.schema.names)


def fit(features: NDArray[np.float32], group: pd.DataFrame, penalty: float) -> dict[str, Probe]:
    """Fit a probe for each column of `group` (n rows) on features (n, d) of the same images."""
    found = {}
    for attribute in group:
        value = group[attribute].to_numpy(object)
        rows = np.flatnonzero(value != UNKNOWN)
        code, names = pd.factorize(value[rows], sort=True)
        n = np.bincount(code, minlength=len(names)).tolist()
        some = len(names) > 1
        fitted = logistic.fit(features[rows], code, penalty) if some else None
        found[str(attribute)] = Probe(tuple(map(str, names)), tuple(n), fitted)
    return found


def _judge_all(
    fold: Fold, probes: Mapping[str, Probe], features: NDArray[np.float32]
) -> list[pd.DataFrame]:
    """Judge a model's probes on the images of a fold."""
    return [
        judge(question, probes[name].answer(features), fold.resampling).assign(attribute=name)
        for name, question in fold.questions.items()
    ]


def _align(study: Study, people: People) -> Images:
    """Set what is known of the images in folds side by side, in order of image id."""
    whose = people.splits[["image_id", "fold"]].sort_values("image_id", ignore_index=True)
    what = ("probe", "images in folds")
    person = people_of(whose["image_id"], people.cohort, what, ProbeError)
    if not (whose["fold"] == "train").any():
        raise ProbeError(f"probe: 0 of {len(whose)} images are in training; at least 1 is needed")
    attributes = dict.fromkeys((*study.attributes, *single(study.attributes)))
    return Images(
        whose.assign(patient_id=person["patient_id"]),
        pd.DataFrame({name: group_values(person, name) for name in attributes}),
        judged(people.targets, study.labels, whose["image_id"]),
    )


def judged(targets: pd.DataFrame, names: Sequence[str], image_ids: pd.Series) -> pd.DataFrame:
    """Return what labels are judged by in images (n): 1, 0 or NaN, a column a label.

    `targets` are rows of `tables.TARGETS`, of other labels and images too.
    """
    found = {}
    for label in names:
        stated = targets[targets["label"] == label]
        value = labels.judged(stated["target"]).astype("float64")
        found[label] = take(value, places(image_ids, stated["image_id"]))
    return pd.DataFrame(found)


def chosen(train: Images, most: int) -> Images:
    """Choose the training images that probes are fitted on, in order of id."""
    return train.at(np.flatnonzero(train.whose["image_id"].isin(lowest(train.ids, most))))


def lowest(image_ids: Sequence[str], most: int) -> list[str]:
    """Return the ids with the lowest hash in order, so that nothing else plays a part."""
    return sorted(sorted(image_ids, key=lambda name: (stable_hash("probe", name), name))[:most])


def _fold(images: Images, group: pd.DataFrame, uncertainty: Uncertainty) -> Fold:
    """Ask for each attribute, whose groups are those of all folds (`group`).

    On the test fold, the same patients are drawn as in the audit.
    """
    patient, names = pd.factorize(images.whose["patient_id"], sort=True)
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed)
    questions = {}
    for attribute in map(str, group):
        known = sorted(set(group[attribute]) - {UNKNOWN})
        questions[attribute] = ask(images.group[attribute], known, patient, images.target)
    resampling = Resampling(counts, uncertainty.confidence, uncertainty.min_group_size)
    return Fold(images.ids, questions, resampling)
