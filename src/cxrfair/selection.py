"""Which of a study's models, or of a search's draws, rules choose, judged on validation alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import metrics
from cxrfair.errors import CxrfairError
from cxrfair.evidence import Evidence, Model, align
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import BETWEEN, Cell, known
from cxrfair.statistics.estimates import estimate
from cxrfair.statistics.panels import join
from cxrfair.statistics.selection import RULES, Candidates
from cxrfair.studies import Study, homes, trained
from cxrfair.tables import SELECTION
from cxrfair.thresholds import ALL, FOLD

Array = NDArray[np.float64]
METRIC = "auroc"
LEAKAGE_RULE = "min_leakage"
UNDEFINED = "nothing to choose by is defined; the first draw with scores, or else draw 0"


class SelectionError(CxrfairError):
    """Models cannot be compared, or would be chosen by images that must not choose."""


@dataclass(frozen=True)
class _Field:
    """A data set's models side by side: AUROC (labels, models, cells), NaN where undefined."""

    models: Sequence[Model]
    cells: Sequence[Cell]
    auroc: Array

    def overall(self) -> Array:
        """Return AUROC over all images, mean over labels, (models,)."""
        return _mean(self.auroc[:, :, 0])

    def of(self, attribute: str) -> tuple[Sequence[str], Array]:
        """Return the known groups of an attribute and their AUROC, (labels, models, groups)."""
        columns = known(self.cells).get(attribute, [])
        return [self.cells[i].group for i in columns], self.auroc[:, :, columns]


def select(
    study_name: str,
    study: Study,
    models: Mapping[Model, pd.DataFrame],
    cohorts: Mapping[str, pd.DataFrame],
    leakage: pd.DataFrame,
) -> pd.DataFrame:
    """Apply every rule of `statistics.selection` to a study's models, by data set and attribute.

    Every trained variant and seed is a candidate: what only decides differently has the scores of
    its upstream. External data sets choose nothing: their models are chosen at home. AUROC, over
    all validation images, of the worst group and between groups (largest less smallest), is a mean
    over the labels that define it; so is each group's, for `dto`. Images of unknown group enter the
    overall AUROC alone.

    Parameters
    ----------
    models
        Rows of `tables.PREDICTIONS` of the validation fold, for each data set that is not external,
        trained variant and seed.
    cohorts
        Rows of `tables.COHORT` by such data set: patients and attributes.
    leakage
        Rows of `tables.ATTRIBUTE_LEAKAGE` of the validation fold; without any of an attribute
        `min_leakage` is not applied to it. Leakage is the AUROC of the probe over all images, group
        `between`: the mean over the attribute's groups.

    Returns
    -------
    DataFrame
        Rows of `tables.SELECTION`; `pareto` may choose several models, and a rule none where
        nothing is defined.

    Raises
    ------
    SelectionError
        If a row belongs to another fold, or a model is missing.
    AuditError
        If an image is not in the cohort, or a data set's models were not scored on the same images
        and targets.
    """
    _refuse_others("attribute_leakage", leakage)
    rows: list[dict[str, object]] = []
    for dataset in homes(study):
        keys = [Model(dataset, v, seed) for v in trained(study) for seed in study.seeds]
        missing = [key for key in keys if key not in models]
        if missing:
            said = f"no predictions of {missing[0]}; {len(missing)} are missing"
            raise SelectionError(f"select: {said}")
        field = _judge(study, {key: models[key] for key in keys}, cohorts[dataset])
        mine = leakage[(leakage["study"] == study_name) & (leakage["dataset"] == dataset)]
        for attribute in study.attributes:
            found = _choose(field, attribute, _leakage(mine, attribute, keys))
            rows += [{"study": study_name, "dataset": dataset, **row} for row in found]
    return pd.DataFrame(rows, columns=SELECTION.schema.names)


def choose(
    study: Study, draws: Mapping[int, pd.DataFrame], cohort: pd.DataFrame, rule: str
) -> pd.DataFrame:
    """Choose one of a variant's draws of settings by a rule of `statistics.selection`.

    AUROC is as in `select`. The worst group is the worst of all the study's attributes, the gap the
    largest between the groups of one; for `dto` each group of each attribute is an axis. An
    attribute with fewer than two defined groups is left out of the worst and the gap.

    Parameters
    ----------
    study
        Of one data set and one variant: only labels and attributes are asked for, and names to tell
        what is wrong.
    draws
        Rows of `tables.PREDICTIONS` of the validation fold by number of the draw, 0 among them. One
        without rows is never chosen, except for 0 where none has any. Where nothing to choose by is
        defined it is the first that has rows: 0, which is as params.yaml says, if it has.

    Returns
    -------
    DataFrame
        A row a draw, in order: draw, overall, worst, gap (NaN where undefined), whether it is
        chosen, and a note where groups or labels do not enter.

    Raises
    ------
    SelectionError, AuditError
        As `select`.
    """
    scored = [number for number in sorted(draws) if len(draws[number])]
    found = pd.DataFrame(columns=["overall", "worst", "gap", "note"])
    picked: list[int] = []
    if scored:
        (dataset,), (seed, *_) = study.datasets, study.seeds
        keys = [Model(dataset, f"{study.reference}/draw-{number}", seed) for number in scored]
        field = _judge(study, {k: draws[n] for k, n in zip(keys, scored, strict=True)}, cohort)
        of, gap, said = _over_attributes(field, study.attributes)
        columns = {"overall": of.overall, "worst": of.worst, "gap": gap, "note": said or None}
        found = pd.DataFrame(columns, index=scored)
        picked = [scored[i] for i in RULES[rule](of)]
    found = found.reindex(sorted(draws)).rename_axis("draw").reset_index()
    chosen = found["draw"] == (picked or scored or [0])[0]
    note = found["note"] if picked else found["note"].mask(chosen, UNDEFINED)
    numbers = dict.fromkeys(("overall", "worst", "gap"), "float64")
    return found.astype(numbers).assign(chosen=chosen, note=note)


def _over_attributes(field: _Field, attributes: Sequence[str]) -> tuple[Candidates, Array, str]:
    """Return candidates by the groups of all attributes, their gaps, and what is left out."""
    of = [field.of(attribute) for attribute in attributes]
    worst, gap = (np.stack(parts) for parts in zip(*(_between(a) for _, a in of), strict=True))
    low, high = np.fmin.reduce(worst), np.fmax.reduce(gap)  # these leave NaN out
    groups = np.concatenate([known for _, known in of], axis=-1)
    unprobed = np.full(len(field.models), np.nan)
    names = [group for names, _ in of for group in names]
    candidates = Candidates(field.overall(), _mean(low), _mean(groups), unprobed)
    return candidates, _mean(high), _left_out(names, groups, low)


def _refuse_others(where: str, rows: pd.DataFrame) -> None:
    """Stop at rows of another fold."""
    others = rows[rows["fold"] != FOLD]
    if len(others):
        first = others["fold"].iloc[0]
        raise SelectionError(f"{where}.fold: {first!r}; allowed: {FOLD} ({len(others)} rows)")


def _judge(study: Study, models: Mapping[Model, pd.DataFrame], cohort: pd.DataFrame) -> _Field:
    """Compute every model's AUROC for each label in each cell of the validation images."""
    for key, rows in models.items():
        _refuse_others(str(key), rows)
    undecided = pd.DataFrame({"label": study.labels, "group": ALL, "value": np.nan})
    scored = {key: Evidence(rows, undecided) for key, rows in models.items()}
    images = align(study, scored, cohort, FOLD)
    as_it_is = patient_counts(images.n_patients, 0, 0)
    per_label = [
        estimate(*images.of_label(i), [metrics.get(METRIC)], as_it_is)[0][:, 0, :, 0]
        for i in range(len(study.labels))
    ]
    return _Field(list(models), images.cells, np.stack(per_label))


def _leakage(rows: pd.DataFrame, attribute: str, keys: Sequence[Model]) -> Array:
    """Return each model's leakage of an attribute, NaN without a probe."""
    whole = (rows["group"] == BETWEEN) & (rows["within"] == "all")
    of = rows[whole & (rows["attribute"] == attribute)].set_index(["variant", "seed"])["value"]
    return of.reindex([(key.variant, key.seed) for key in keys]).to_numpy(np.float64)


def _choose(field: _Field, attribute: str, leakage: Array) -> Iterator[dict[str, object]]:
    """Make the rows of one data set and attribute."""
    groups, known = field.of(attribute)
    worst, gap = _between(known)
    of = Candidates(field.overall(), _mean(worst), _mean(known), leakage)
    mean_gap, said = _mean(gap), _left_out(groups, known, worst)
    unprobed = int(np.isnan(leakage).sum())
    for rule, apply in RULES.items():
        about = said
        if rule == LEAKAGE_RULE and unprobed:
            about = join(said, f"no probe of {unprobed} of {len(leakage)} models, left out")
        for i in apply(of):
            model = field.models[i]
            yield {
                "attribute": attribute,
                "rule": rule,
                "variant": model.variant,
                "seed": model.seed,
                "overall": of.overall[i],
                "worst": of.worst[i],
                "gap": mean_gap[i],
                "leakage": leakage[i],
                "note": about or None,
            }


def _between(known: Array) -> tuple[Array, Array]:
    """Return worst and gap over groups; NaN with fewer than two that are defined."""
    defined = ~np.isnan(known)
    enough = defined.sum(axis=-1) >= 2
    low = np.where(defined, known, np.inf).min(axis=-1, initial=np.inf)
    high = np.where(defined, known, -np.inf).max(axis=-1, initial=-np.inf)
    return np.where(enough, low, np.nan), np.where(enough, high - low, np.nan)


def _mean(values: Array) -> Array:
    """Average over labels (the first axis) what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    total, number = np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _left_out(groups: Sequence[str], known: Array, worst: Array) -> str:
    """Say which groups and how many labels do not enter, which is the same for all models."""
    missing = [group for group, of in zip(groups, known[:, 0].T, strict=True) if np.isnan(of).any()]
    labels = int(np.isnan(worst[:, 0]).sum())
    return join(
        f"undefined for some label and left out there: {', '.join(missing)}" if missing else "",
        f"{labels} of {len(worst)} labels undefined and left out" if labels else "",
    )
