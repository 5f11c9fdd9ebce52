"""Every metric of every model in every group, with intervals, from predictions alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from cxrfair import metrics
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.statistics import cells, panels
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import ALL, BETWEEN, Cell
from cxrfair.statistics.estimates import Judged, Sample
from cxrfair.statistics.intervals import percentile
from cxrfair.statistics.panels import MEAN, Panel
from cxrfair.studies import Study
from cxrfair.tables import METRICS, SUMMARY, UNKNOWN

Array = NDArray[np.float64]
FOLD = "test"
HEADLINE = ("auroc", "auroc_gap", "auroc_worst", "balanced_accuracy", "tpr_gap", "brier")


class AuditError(CxrfairError):
    """Models cannot be judged, or not side by side."""


class AuditConfig(Section):
    """Section `audit` of params.yaml."""

    metrics: tuple[str, ...] = Field(min_length=1)
    resamples: PositiveInt
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: NonNegativeInt
    min_group_size: NonNegativeInt

    @field_validator("metrics")
    @classmethod
    def _metrics_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in metrics.names()]
        if unknown or len(set(names)) < len(names):
            wrong = f"no metric {unknown[0]!r}" if unknown else "a metric twice"
            raise ValueError(f"{wrong}; have {', '.join(metrics.names())}")
        return names


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

    `patient` (n,) numbers the patients; `target` (n, labels) is NaN where an image is not judged;
    `score` (models, n, labels); `threshold` (models, labels).
    """

    cells: Sequence[Cell]
    patient: NDArray[np.intp]
    target: Array
    score: Array
    threshold: Array

    def of_label(self, i: int) -> tuple[Sample, Judged]:
        """Select the images that are judged for label `i`."""
        kept = ~np.isnan(self.target[:, i])
        return self._sample(self.target[:, i]), Judged(self.score[:, kept, i], self.threshold[:, i])

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


def audit(
    study_name: str,
    study: Study,
    models: Mapping[Model, Evidence],
    cohorts: Mapping[str, pd.DataFrame],
    config: AuditConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge every model of a study on the test images of its data set.

    Parameters
    ----------
    models
        One entry for each data set, variant and seed of the study.
    cohorts
        Rows of `tables.COHORT` by data set: patients and attributes.

    Returns
    -------
    (DataFrame, DataFrame)
        Rows of `tables.METRICS` (each model) and of `tables.SUMMARY` (means over seeds, and
        differences from the reference variant). Group `between` compares the known groups of an
        attribute; label `mean` is the mean over labels.

    Raises
    ------
    AuditError
        If a model is missing, or a data set's models were not tested on the same images.
    """
    each, summaries = [], []
    for dataset in study.datasets:
        keys = [Model(dataset, v, seed) for v in study.variants for seed in study.seeds]
        missing = [key for key in keys if key not in models]
        if missing:
            raise AuditError(f"audit: no predictions of {missing[0]}; {len(missing)} are missing")
        test_set = _align(study, {key: models[key] for key in keys}, cohorts[dataset])
        place = {"study": study_name, "dataset": dataset}
        for panel in _panels(study, test_set, config):
            each += [row.assign(**place) for row in _each_model(panel, keys, config)]
            summaries += [row.assign(**place) for row in _summary(panel, study, config)]
    return _as_table(each, METRICS.schema.names), _as_table(summaries, SUMMARY.schema.names)


def _align(study: Study, models: Mapping[Model, Evidence], cohort: pd.DataFrame) -> TestSet:
    """Set all models' answers on a common list of images."""
    answers = {key: _wide(key, evidence.predictions, study) for key, evidence in models.items()}
    (first, (target, _)), *others = answers.items()
    for key, (again, _) in others:
        if not target.equals(again):
            raise AuditError(f"{key}: its test images or targets differ from those of {first}")
    rows = cohort.set_index("image_id").reindex(target.index)
    lost = rows.index[rows["patient_id"].isna()]
    if len(lost):
        raise AuditError(f"{first}: {len(lost)} test images are not in the cohort; allowed: none")
    thresholds = [_thresholds(key, evidence, study) for key, evidence in models.items()]
    return TestSet(
        cells=cells.make(rows, study.attributes),
        patient=pd.factorize(rows["patient_id"], sort=True)[0],
        target=target.to_numpy(np.float64),
        score=np.stack([score.to_numpy(np.float64) for _, score in answers.values()]),
        threshold=np.stack(thresholds),
    )


def _wide(key: Model, predictions: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return target and score of the test images, (images, labels), sorted by image."""
    rows = predictions[predictions["fold"] == FOLD]
    missing = sorted(set(study.labels) - set(rows["label"]))
    if missing:
        raise AuditError(f"{key}: no test predictions for label {missing[0]!r}; {missing}")
    kept = rows.astype({"target": "float64"})
    labels = list(study.labels)
    target = kept.pivot(index="image_id", columns="label", values="target")[labels]
    score = kept.pivot(index="image_id", columns="label", values="score")[labels]
    return target.mask(score.isna()), score


def _thresholds(key: Model, evidence: Evidence, study: Study) -> Array:
    """Return a model's threshold for each label."""
    values = evidence.thresholds.set_index("label")["value"].astype("float64")
    missing = sorted(set(study.labels) - set(values.index))
    if missing:
        raise AuditError(f"{key}: no threshold for label {missing[0]!r}; {missing}")
    return np.asarray(values.loc[list(study.labels)], np.float64)


def _panels(study: Study, test_set: TestSet, config: AuditConfig) -> list[Panel]:
    """Compute one panel for each label, and their mean."""
    n_patients = int(test_set.patient.max()) + 1 if len(test_set.patient) else 0
    counts = patient_counts(n_patients, config.resamples, config.seed)
    each = [
        panels.of_label(label, *test_set.of_label(i), config.metrics, counts)
        for i, label in enumerate(study.labels)
    ]
    return [*each, panels.mean_over_labels(each, test_set.of_any_label())]


def _small(places: pd.DataFrame, smallest: int) -> NDArray[np.object_]:
    """Flag small groups, and comparisons that small groups enter."""
    few = places["n"] < smallest
    members = places[few & ~places["group"].isin([ALL, BETWEEN, UNKNOWN])]
    entering = members.groupby("attribute")["group"].unique()
    notes = np.where(few, f"fewer than {smallest} images", "").astype(object)
    between = (places["group"] == BETWEEN) & places["attribute"].isin(entering.index)
    for row in np.flatnonzero(between):
        names = ", ".join(entering[places["attribute"].iloc[row]])
        notes[row] = panels.join(notes[row], f"enters with fewer than {smallest} images: {names}")
    return notes


def _each_model(panel: Panel, keys: Sequence[Model], config: AuditConfig) -> list[pd.DataFrame]:
    """Make rows of METRICS, without study and data set."""
    low, high, said = panel.intervals(config.confidence, config.min_group_size)
    small = _small(panel.places, config.min_group_size)
    return [
        panel.places.assign(
            variant=key.variant,
            seed=key.seed,
            value=panel.value[i],
            ci_low=low[i],
            ci_high=high[i],
            note=_notes(small, panel.notes[i], said[i]),
        )
        for i, key in enumerate(keys)
    ]


def _summary(panel: Panel, study: Study, config: AuditConfig) -> list[pd.DataFrame]:
    """Make rows of SUMMARY, without study and data set."""
    mean, spread, number = panel.over_seeds(len(study.seeds))
    low, high, said = mean.intervals(config.confidence, config.min_group_size)
    small = _small(panel.places, config.min_group_size)
    difference = mean.draws - mean.draws[list(study.variants).index(study.reference)]
    apart = percentile(difference[..., 1:], config.confidence)
    rows = []
    for i, variant in enumerate(study.variants):
        other = variant != study.reference
        rows.append(
            panel.places.assign(
                variant=variant,
                value=mean.value[i],
                ci_low=low[i],
                ci_high=high[i],
                seed_sd=spread[i],
                n_seeds=number[i],
                difference=difference[i, :, 0] if other else np.nan,
                difference_low=apart[0][i] if other else np.nan,
                difference_high=apart[1][i] if other else np.nan,
                note=_notes(small, mean.notes[i], said[i]),
            )
        )
    return rows


def _notes(*columns: NDArray[np.object_]) -> NDArray[np.object_]:
    """Join notes row by row; None where there is nothing to say."""
    said = [panels.join(*row) or None for row in zip(*columns, strict=True)]
    return np.array(said, object)


def _as_table(rows: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Stack rows in the column order of their table."""
    return pd.concat(rows, ignore_index=True)[list(columns)]


def headline(
    summary: pd.DataFrame, names: Sequence[str] = HEADLINE
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the numbers for `dvc metrics show`: data set, variant, metric; means over labels.

    Undefined numbers are left out: DVC's JSON allows neither null nor NaN. Comparisons between
    groups are named by attribute as well: `auroc_gap_sex`.
    """
    rows = summary[
        (summary["label"] == MEAN) & summary["metric"].isin(names) & summary["value"].notna()
    ]
    suffix = ("_" + rows["attribute"].str.replace(" ", "_")).where(rows["attribute"] != ALL, "")
    keys = (rows["dataset"], rows["variant"], rows["metric"] + suffix, rows["value"])
    found: dict[str, dict[str, dict[str, float]]] = {}
    for dataset, variant, name, value in zip(*keys, strict=True):
        found.setdefault(dataset, {}).setdefault(variant, {})[name] = float(value)
    return found


def points(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the long table for `dvc plots`: one defined value a row."""
    columns = ["dataset", "variant", "metric", "label", "attribute", "group"]
    rows = summary.loc[summary["value"].notna(), [*columns, "value", "ci_low", "ci_high", "n"]]
    return rows.sort_values(columns, ignore_index=True)
