"""What the features of a frozen network say of findings that it was not trained for.

A linear head is fitted anew for each label on training images (Fair Diagnosis, Section 4.4 and
Figure 3), its threshold on validation images, and judged on test images. An accuracy of 0.8 is easy
where one image in five is positive: beside it stands the accuracy of always saying no.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit as log_odds

from cxrfair import metrics, thresholds
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.lookup import people_of
from cxrfair.probes import Images, People, ProbeConfig, chosen, judged
from cxrfair.progress import track
from cxrfair.statistics import logistic
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import ALL, Cell
from cxrfair.statistics.estimates import Judged, Sample, estimate
from cxrfair.statistics.panels import Panel, join
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.tables import DOWNSTREAM
from cxrfair.thresholds import ThresholdConfig

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]
OF_HEADS = ("auroc", "accuracy", "balanced_accuracy")
ALWAYS_NO = "always_no"  # the accuracy of calling no image positive
MEASURES = (*OF_HEADS, ALWAYS_NO)


class DownstreamError(CxrfairError):
    """Nobody knows whose an image is."""


class Rules(NamedTuple):
    """How heads are fitted, where they say yes, and how intervals are made.

    Of section `probe`, the same training images and the same penalty.
    """

    probe: ProbeConfig
    threshold: ThresholdConfig
    uncertainty: Uncertainty


@dataclass(frozen=True)
class Heads:
    """Linear heads of k labels: `weight` (d, k), `intercept` (k,), NaN for a label without a head.

    `fewest` (k,) counts the training images of each label's rarer class, `notes` (k) say why there
    is no head, or that its fit did not end.
    """

    weight: Array
    intercept: Array
    fewest: Rows
    notes: tuple[str, ...]

    def score(self, features: NDArray[np.float32]) -> Array:
        """Return the log odds (n, k) of images' features (n, d): they never round to certainty."""
        scores: Array = features.astype(np.float64) @ self.weight + self.intercept
        return scores


class Cuts(NamedTuple):
    """Thresholds (k,) of log odds, NaN with a note where there is none."""

    value: Array
    notes: tuple[str, ...]


def judge(
    where: tuple[str, str],
    study: Study,
    models: Mapping[tuple[str, int], Embeddings],
    people: People,
    rules: Rules,
) -> pd.DataFrame:
    """Fit a head for each of a study's downstream labels on each model's features, and judge it.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    models
        Stored features by variant and seed.
    people
        Its `targets` are of the downstream labels.

    Returns
    -------
    DataFrame
        Rows of `tables.DOWNSTREAM`: of each label on the test images judged for it, AUROC, accuracy
        and balanced accuracy (the last two at a threshold fitted on validation), and `always_no`,
        the accuracy of calling no image positive, the same for every model. Intervals: percentiles
        over resampled patients, the same for every model and as in the audit (of fewer than
        `min_group_size` images, Wilson's for an accuracy), the head being what it is; the
        difference is from the same seed of what a variant is compared with. NaN with a note where
        there is no head (one class in training), no threshold, or the measure is undefined.

    Raises
    ------
    DownstreamError
        If an image in a fold is not in the cohort.
    EmbeddingError
        If a model lacks the features of an image.
    """
    if not study.downstream:
        return DOWNSTREAM.empty()
    images = _align(study.downstream, people)
    train = chosen(images.of("train"), rules.probe.images)
    validation, test = images.of(thresholds.FOLD), images.of("test")
    tasks, found = _Tasks.of(test, rules.uncertainty), dict[tuple[str, int], Panel]()
    what = f"refit {where[0]} {where[1]}"
    for model, stored in track(models.items(), what, "models", len(models)):
        heads = fit(stored.read(train.ids), train.target, rules.probe.penalty)
        cuts = cut(heads.score(stored.read(validation.ids)), validation, rules.threshold)
        found[model] = tasks.judge(heads, cuts, heads.score(stored.read(test.ids)))
    rows = [DOWNSTREAM.empty()]
    for (variant, seed), panel in found.items():
        other = found.get((study.compared_with(variant), seed))
        table = panel.beside(None if other is None else other.draws, rules.uncertainty)
        rows.append(table.assign(variant=variant, seed=seed))
    every = pd.concat(rows[1:] or rows, ignore_index=True).assign(study=where[0], dataset=where[1])
    return every.reindex(columns=DOWNSTREAM.schema.names)


def fit(features: NDArray[np.float32], target: pd.DataFrame, penalty: float) -> Heads:
    """Fit a head for each column of `target` (n, k; 1, 0 or NaN) on features (n, d).

    As `statistics.logistic.fit` does, each on the images that are judged for its label. There is
    none for a label of which these are all positive or all negative.
    """
    weight = np.zeros((features.shape[1], target.shape[1]))
    intercept = np.full(target.shape[1], np.nan)
    fewest, notes = np.zeros(target.shape[1], np.intp), []
    for place, label in enumerate(target):
        value = target[label].to_numpy(np.float64)
        rows = np.flatnonzero(~np.isnan(value))
        code = value[rows].astype(np.intp)
        fewest[place] = np.bincount(code, minlength=2).min()
        if not fewest[place]:
            notes.append("needs a positive and a negative in training")
            continue
        found = logistic.fit(features[rows], code, penalty)
        weight[:, place], intercept[place] = found.weight[:, 1], found.intercept[1]
        notes.append(found.note)
    return Heads(weight, intercept, fewest, tuple(notes))


def cut(score: Array, validation: Images, config: ThresholdConfig) -> Cuts:
    """Fit a threshold for each label on log odds (n, k) of validation images.

    A `fixed` value is one of probabilities, and is turned into log odds.
    """
    names, fold = list(validation.target), validation.whose["fold"].to_numpy()
    parts = [
        pd.DataFrame({"label": name, "fold": fold, "target": target, "score": score[:, place]})
        for place, (name, target) in enumerate(validation.target.items())
    ]
    fitted = thresholds.fit(pd.concat(parts, ignore_index=True), config)
    fitted = fitted.set_index("label").reindex(names)
    value = fitted["value"].to_numpy(np.float64)
    if config.rule == "fixed":
        value = np.asarray(log_odds(value))
    why = "no threshold: " + fitted["note"].fillna(f"no images in {thresholds.FOLD}")
    return Cuts(value, tuple(why.where(fitted["value"].isna(), "")))


class _Task(NamedTuple):
    """A label on the test fold: `rows` of the images that are judged for it, and those as a sample.

    `silent` is how often calling none positive is right: draws (1, 1 + b) and trials (1,).
    """

    label: str
    rows: Rows
    sample: Sample
    silent: tuple[Array, Array]

    @classmethod
    def of(cls, label: str, target: Array, patient: Rows, counts: Array) -> "_Task":
        """Prepare a label's targets (n,) on images of patients (n,)."""
        rows = np.flatnonzero(~np.isnan(target))
        whole = [Cell(ALL, ALL, np.arange(len(rows)))]
        sample = Sample(target[rows].astype(np.int8), patient[rows], whole)
        silent = _estimate(sample, np.zeros(len(rows)), np.inf, ("accuracy",), counts)
        return cls(label, rows, sample, silent)

    def draw(self, score: Array, threshold: float, counts: Array) -> tuple[Array, Array]:
        """Return draws (4, 1 + b) and trials (4,) of a head's scores (n,) for all images."""
        own = _estimate(self.sample, score[self.rows], threshold, OF_HEADS, counts)
        return np.concatenate([own[0], self.silent[0]]), np.append(own[1], self.silent[1])


class _Tasks(NamedTuple):
    """All labels on the test fold, and the resampled patients: `counts` (1 + b, patients).

    `frame` has a row for each measure of each label. Of fewer than `least` images this is noted.
    """

    each: tuple[_Task, ...]
    counts: Array
    frame: pd.DataFrame
    least: int

    @classmethod
    def of(cls, test: Images, uncertainty: Uncertainty) -> "_Tasks":
        """Prepare what is the same for every model."""
        codes, names = pd.factorize(test.whose["patient_id"], sort=True)
        counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed)
        target, patient = test.target, codes.astype(np.intp)
        each = [_Task.of(str(n), target[n].to_numpy(np.float64), patient, counts) for n in target]
        rows = [
            {"label": task.label, "metric": measure, **task.sample.describe(task.sample.cells)[0]}
            for task in each
            for measure in MEASURES
        ]
        return cls(tuple(each), counts, pd.DataFrame(rows), uncertainty.min_group_size)

    def judge(self, heads: Heads, cuts: Cuts, score: Array) -> Panel:
        """Judge a model by the scores (n, k) of its heads on all images of the fold."""
        drawn = [
            task.draw(score[:, i], cuts.value[i], self.counts) for i, task in enumerate(self.each)
        ]
        draws, trials = (np.concatenate(part) for part in zip(*drawn, strict=True))
        undefined = np.isnan(draws[:, 0]).reshape(-1, len(MEASURES))
        learnt = zip(self.each, undefined, heads.fewest, heads.notes, cuts.notes, strict=True)
        said = [note for task, *of in learnt for note in self._notes(len(task.rows), *of)]
        return Panel(self.frame, draws, trials, np.array(said, object))

    def _notes(self, n: int, lost: Bools, fewest: int, of_fit: str, of_cut: str) -> list[str]:
        """Say of each measure why it is `lost` (4,), or not to be relied on."""
        small = f"fewer than {self.least} images" if 0 < n < self.least else ""
        few = f"learnt from fewer than {self.least} images of one class"
        taught, said = join(of_fit, few if 0 < fewest < self.least else ""), []
        for name, gone in zip(OF_HEADS, lost, strict=False):
            metric = metrics.get(name)
            why = of_cut if metric.needs == "counts" else ""
            said.append(join(taught, (why or (metric.undefined if gone else "")) if fewest else ""))
        return [join(small, each) for each in (*said, "" if n else "no images")]


def _estimate(
    sample: Sample, score: Array, threshold: float, names: Sequence[str], counts: Array
) -> tuple[Array, Array]:
    """Return draws (m, 1 + b) and trials (m,) of measures of a sample; NaN without scores."""
    if np.isnan(score).any():
        return np.full((len(names), len(counts)), np.nan), np.full(len(names), np.nan)
    judged = Judged(score[None], np.array([threshold]))
    draws, trials = estimate(sample, judged, [metrics.get(name) for name in names], counts)
    return draws[0, :, 0], trials[0, :, 0]


def _align(names: Sequence[str], people: People) -> Images:
    """Set what is known of the images in folds side by side, in order of image id; no groups."""
    whose = people.splits[["image_id", "fold"]].sort_values("image_id", ignore_index=True)
    what = ("refit", "images in folds")
    person = people_of(whose["image_id"], people.cohort, what, DownstreamError)
    target = judged(people.targets, names, whose["image_id"])
    whose = whose.assign(patient_id=person["patient_id"])
    return Images(whose, pd.DataFrame(index=whose.index), target)
