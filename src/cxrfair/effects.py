"""What an attribute does to a model's answers along each path, and whether ADF tells.

On a phantom alone: there the same people are pictured with an attribute set along S -> X and along
S -> Y apart, all noise held. On patients nobody knows these effects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.lookup import people_of, places
from cxrfair.progress import track
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import BETWEEN
from cxrfair.statistics.panels import Panel
from cxrfair.statistics.sums import Resampled
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.tables import EFFECTS
from cxrfair.thresholds import ALL

Array = NDArray[np.float64]
Model = tuple[str, int]  # variant, seed
OF, EFFECT = ("score", "decision"), ("direct", "indirect", "total")
WORLD = np.array([[0, -1], [1, 2]])  # by S shown, then S ill (0 is S-): S- ill with S+ is not used
KEYS = ["dataset", "label", "attribute", "variant"]


class EffectsError(CxrfairError):
    """Answers are not those of every model to every picture."""


@dataclass(frozen=True)
class _Asked:
    """The models (m), labels (k) and images (n) that answers are asked of, and sums over images."""

    models: Sequence[Model]
    labels: tuple[str, ...]
    image_ids: pd.Index
    sums: Resampled

    def scores(self, answers: pd.DataFrame, attribute: str, values: tuple[str, str]) -> Array:
        """Return scores (m, k, 3, n) in the worlds (S-, S-), (S+, S-) and (S+, S+).

        `values` are S- and S+; a world is S shown and S ill.

        Raises
        ------
        EffectsError
            If a score is missing, or one is of a model or label that is not asked.
        """
        rows = answers[answers["attribute"] == attribute]
        world = WORLD[
            places(rows["shown"], pd.Index(values)), places(rows["ill"], pd.Index(values))
        ]
        told = pd.MultiIndex.from_frame(rows[["variant", "seed"]])
        model = pd.MultiIndex.from_tuples(self.models).get_indexer(told)
        label = places(rows["label"], pd.Index(self.labels))
        image = places(rows["image_id"], self.image_ids)
        if odd := int(((model < 0) | (label < 0)).sum()):
            raise EffectsError(
                f"effects: {odd} of {len(rows)} answers are of other models or labels; allowed: 0"
            )
        shape = (len(self.models), len(self.labels), int(WORLD.max()) + 1, len(self.image_ids))
        found, used = np.full(shape, np.nan), world >= 0
        at = (model[used], label[used], world[used], image[used])
        found[at] = rows["score"].to_numpy(np.float64)[used]
        if lost := int(np.isnan(found).sum()):
            what = f"{lost} of {found.size} answers on {attribute} are missing"
            raise EffectsError(f"effects: {what}; allowed: 0")
        return found

    def draw(self, score: Array, threshold: Array) -> Array:
        """Return a model's effects in each resample: (k, of, effect, 1 + b).

        Parameters
        ----------
        score
            Shape (k, 3, n).
        threshold
            Shape (k,); NaN where there is none, and then of no decision.
        """
        cut = threshold[:, None, None]
        decision = np.where(np.isnan(cut), np.nan, score >= cut)
        both = np.stack([score, decision], axis=1)
        moved = both[:, :, 1:] - both[:, :, :1]  # direct and total
        terms = moved.reshape(-1, score.shape[-1])
        each = [np.full(terms.shape[1], place, np.intp) for place in range(len(terms))]
        summed = self.sums.add_all(each, [*terms], len(terms)).reshape(*moved.shape[:3], -1)
        direct, total = np.moveaxis(summed / self._number(), 2, 0)
        return np.stack([direct, total - direct, total], axis=2)

    def _number(self) -> Array:
        """Count the images in each resample, (1 + b,)."""
        one = np.ones(len(self.image_ids))
        counted: Array = self.sums.add_all([np.zeros(len(one), np.intp)], [one], 1)[0]
        return counted


def measure(
    where: tuple[str, str],
    study: Study,
    answers: pd.DataFrame,
    thresholds: Mapping[Model, pd.DataFrame],
    cohort: pd.DataFrame,
    uncertainty: Uncertainty,
) -> pd.DataFrame:
    """Measure what each attribute of `study.effects` does to each model's answers.

    With f the mean answer over images where S = `shown` along S -> X and S = `ill` along S -> Y
    (Fair Diagnosis, Eq. 1 to 3): direct is f(S+, S-) - f(S-, S-), total is f(S+, S+) - f(S-, S-),
    indirect is total - direct. An answer is the score, or the decision: 1 where the score is at
    least the threshold fitted on validation.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    answers
        Rows of `tables.ANSWERS`.
    thresholds
        Rows of `tables.THRESHOLDS` of every model that was asked, by variant and seed.
    cohort
        Rows of `tables.COHORT`: whose the images are.

    Returns
    -------
    DataFrame
        Rows of `tables.EFFECTS`. Intervals: percentiles over resampled patients, the same for
        every model, so that a difference is paired: from the same seed of the variant that this
        one is compared with; NaN of the reference. An effect on decisions is NaN with a note where
        there is no threshold.

    Raises
    ------
    EffectsError
        If there is no image, one is of nobody, an answer or a threshold is missing, or an answer
        is of a model or label that is not asked.
    """
    ids = pd.Index(np.unique(answers["image_id"].to_numpy(str)), dtype="str")
    sums, people = _resampled(ids, cohort, uncertainty)
    asked = _Asked(list(thresholds), study.labels, ids, sums)
    cuts = {model: _cuts(model, rows, study.labels) for model, rows in thresholds.items()}
    found = []
    for attribute, values in study.effects.items():
        scores = asked.scores(answers, attribute, values)
        what = f"effects of {attribute}, {where[0]} {where[1]}"
        pairs = zip(asked.models, scores, strict=True)
        told = track(pairs, what, "models", len(asked.models))
        draws = {model: asked.draw(own, cuts[model][0]) for model, own in told}
        for (variant, seed), own in draws.items():
            other = draws.get((study.compared_with(variant), seed))
            rows = _list(study.labels, cuts[variant, seed][1], len(ids), uncertainty)
            table = _table(rows, own, other, uncertainty)
            table = table.assign(attribute=attribute, minus=values[0], plus=values[1])
            found.append(table.assign(variant=variant, seed=seed))
    every = pd.concat(found or [EFFECTS.empty()], ignore_index=True)
    every = every.assign(study=where[0], dataset=where[1], n=len(ids), n_patients=people)
    return every.reindex(columns=EFFECTS.schema.names)


def _resampled(
    ids: pd.Index, cohort: pd.DataFrame, uncertainty: Uncertainty
) -> tuple[Resampled, int]:
    """Resample the patients of images; also count them."""
    if not len(ids):
        raise EffectsError("effects: 0 images were answered; at least 1 is needed")
    people = people_of(ids, cohort, ("effects", f"of {len(ids)} images"), EffectsError)
    patient, names = pd.factorize(people["patient_id"].to_numpy(object), sort=True)
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed).T
    return Resampled(patient.astype(np.intp), np.ones(len(ids)), counts), len(names)


def _cuts(model: Model, rows: pd.DataFrame, labels: Sequence[str]) -> tuple[Array, list[str]]:
    """Return a model's threshold for each label, and what is noted where there is none, (k,)."""
    whole = rows[rows["group"] == ALL].set_index("label")
    if missing := [label for label in labels if label not in whole.index]:
        raise EffectsError(
            f"effects: no threshold of {model} for {missing[0]}; {len(missing)} lack"
        )
    of = whole.loc[list(labels)]
    value = of["value"].to_numpy(np.float64, na_value=np.nan)
    why = of["note"].astype(object).where(of["note"].notna(), "none was fitted")
    notes = [f"no threshold: {w}" if np.isnan(v) else "" for v, w in zip(value, why, strict=True)]
    return value, notes


def _list(
    labels: Sequence[str], without: Sequence[str], n: int, uncertainty: Uncertainty
) -> pd.DataFrame:
    """Name a model's rows, as `draw` orders them, and note what is to be said of each."""
    least = uncertainty.min_group_size
    few = f"fewer than {least} images" if n < least else ""
    rows = [
        (label, of, effect, why if of == "decision" and why else few)
        for label, why in zip(labels, without, strict=True)
        for of in OF
        for effect in EFFECT
    ]
    return pd.DataFrame(rows, columns=["label", "of", "effect", "note"])


def _table(
    rows: pd.DataFrame, own: Array, reference: Array | None, uncertainty: Uncertainty
) -> pd.DataFrame:
    """Set values and intervals of one model beside its rows."""
    draws, notes = own.reshape(len(rows), -1), rows["note"].to_numpy(object)
    panel = Panel(rows, draws, np.full(len(rows), np.nan), notes)
    return panel.beside(None if reference is None else reference.reshape(draws.shape), uncertainty)


def beside_adf(summary: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Set the ADF of each variant beside the size of the direct effect that it stands for.

    Parameters
    ----------
    summary, effects
        Rows of `tables.SUMMARY` and `tables.EFFECTS`.

    Returns
    -------
    DataFrame
        Columns dataset, label, attribute, variant, of; `size`, the mean over seeds of the direct
        effect without its sign, and `size_low` to `size_high`, from the lowest to the highest end
        of the seeds' intervals without sign (from 0, where one holds 0); `adf`, `adf_low`,
        `adf_high`, and `chance`, what chance alone is expected to add: ADF less its corrected
        form. NaN where the summary has none.
    """
    direct = effects[effects["effect"] == "direct"]
    low, high = direct["ci_low"].astype("float64"), direct["ci_high"].astype("float64")
    nearest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(low.abs(), high.abs()))
    bare = direct.assign(
        size=direct["value"].astype("float64").abs(),
        low=np.where(low.isna(), np.nan, nearest),
        high=np.maximum(low.abs(), high.abs()),
    )
    found = bare.groupby([*KEYS, "of"], as_index=False, sort=False).agg(
        size=("size", "mean"), size_low=("low", "min"), size_high=("high", "max")
    )
    ends = {"value": "adf", "ci_low": "adf_low", "ci_high": "adf_high"}
    adf = _between(summary, "adf", ends)
    corrected = _between(summary, "adf_corrected", {"value": "corrected"})
    found = found.merge(adf, "left", KEYS).merge(corrected, "left", KEYS)
    return found.assign(chance=found["adf"] - found["corrected"]).drop(columns="corrected")


def _between(summary: pd.DataFrame, name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return a comparison of groups, one row a data set, label, attribute and variant."""
    rows = summary[(summary["metric"] == name) & (summary["group"] == BETWEEN)]
    kinds = dict.fromkeys(columns.values(), "float64")
    return rows[[*KEYS, *columns]].rename(columns=dict(columns)).astype(kinds)
