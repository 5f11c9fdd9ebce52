"""Every metric of every model in every group, with intervals, from predictions alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.audit import rows
from cxrfair.audit.config import AuditConfig
from cxrfair.evidence import AuditError, Evidence, Model, TestSet, align
from cxrfair.progress import track
from cxrfair.statistics import curves, judgement, matching, ranked
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import ALL, known
from cxrfair.statistics.estimates import Judged, Sample
from cxrfair.statistics.panels import Panel, joined
from cxrfair.statistics.shift import label_shift
from cxrfair.studies import SEPARATOR, Study
from cxrfair.table import Table
from cxrfair.tables import CURVES, LABEL_SHIFT, MATCHED, METRICS, SUMMARY

Array = NDArray[np.float64]
AS_IS: matching.TestSet = "as_is"  # the same groups unweighted: what matching is compared with


class Audit(NamedTuple):
    """What an audit found: rows of the tables of these names.

    `metrics` are of each model, `summary` means over seeds and differences from the reference
    variant, `matched` the same where groups are made alike, `label_shift` how the groups' labels
    differ, `curves` calibration and net benefit, and ROC and precision-recall of all images. Group
    `between` compares the known groups of an attribute; label `mean` is the mean over labels.
    """

    metrics: pd.DataFrame
    summary: pd.DataFrame
    matched: pd.DataFrame
    label_shift: pd.DataFrame
    curves: pd.DataFrame


TABLES = dict(zip(Audit._fields, (METRICS, SUMMARY, MATCHED, LABEL_SHIFT, CURVES), strict=True))


def audit(
    study_name: str,
    study: Study,
    models: Mapping[Model, Evidence],
    cohorts: Mapping[str, pd.DataFrame],
    config: AuditConfig,
) -> Audit:
    """Judge every model of a study on the test images of its data set.

    Parameters
    ----------
    models
        One entry for each data set, variant and seed of the study.
    cohorts
        Rows of `tables.COHORT` by data set: patients and attributes.

    Raises
    ------
    AuditError
        If a model is missing, or a data set's models were not tested on the same images.
    """
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for dataset in study.datasets:
        keys = [Model(dataset, v, seed) for v in study.variants for seed in study.seeds]
        missing = [key for key in keys if key not in models]
        if missing:
            raise AuditError(f"audit: no predictions of {missing[0]}; {len(missing)} are missing")
        test_set = align(study, {key: models[key] for key in keys}, cohorts[dataset])
        for name, frame in _of_dataset(study, test_set, keys, config):
            found[name].append(frame.assign(study=study_name, dataset=dataset))
    return Audit(*(_stack(found[name], table) for name, table in TABLES.items()))


def _stack(frames: Sequence[pd.DataFrame], table: Table) -> pd.DataFrame:
    """Set rows below one another in the column order of their table."""
    columns = list(table.schema.names)
    return pd.concat(frames, ignore_index=True)[columns] if frames else table.empty()


def _of_dataset(
    study: Study, test_set: TestSet, keys: Sequence[Model], config: AuditConfig
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield rows with the name of their table, label by label: draws of one label at a time."""
    counts = patient_counts(test_set.n_patients, config.resamples, config.seed)
    averaged: list[Panel] = []
    samples: dict[str, Sample] = {}
    what, number = f"judge {keys[0].dataset}", len(study.labels)
    for i, label in track(enumerate(study.labels), what, "labels", number):
        sample, judged = test_set.of_label(i)
        samples[label] = sample
        panel = judgement.of_label(label, sample, judged, config.asked, counts)
        averaged.append(judgement.for_mean(panel))
        yield from _rows(panel, study, keys, config)
        yield "curves", _curves(label, (_singles(sample), judged), keys, counts, config)
    everyone = test_set.of_any_label()
    yield from _rows(judgement.mean_over_labels(averaged, everyone), study, keys, config)
    shift = label_shift(samples, counts, config.confidence, config.min_group_size)
    yield "label_shift", shift
    compared = any(known(test_set.cells).values())
    for name in (AS_IS, *config.matched) if config.matched and compared else ():
        for frame in _matched(study, test_set, name, config, counts):
            yield "matched", frame.assign(test_set=name)


def _singles(sample: Sample) -> Sample:
    """Leave out intersections, unless there is nothing else.

    Curves of them are too many to look at, and they leave hardly any counterparts to match.
    """
    plain = [cell for cell in sample.cells if SEPARATOR not in cell.attribute]
    return sample if {c.attribute for c in plain} == {ALL} else replace(sample, cells=plain)


def _curves(
    label: str,
    judged: tuple[Sample, Judged],
    keys: Sequence[Model],
    counts: Array,
    config: AuditConfig,
) -> pd.DataFrame:
    """Make rows of CURVES, without study and data set."""
    drawn = pd.concat(
        [
            curves.of_label(label, *judged, counts, config.confidence, config.min_group_size),
            ranked.of_label(label, *judged),
        ],
        ignore_index=True,
    )
    names = pd.DataFrame(keys, columns=list(Model._fields))[["variant", "seed"]]
    return drawn.join(names, on="model").drop(columns="model")


def _rows(
    panel: Panel, study: Study, keys: Sequence[Model], config: AuditConfig
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield rows of METRICS and of SUMMARY."""
    for frame in rows.each_model(panel, keys, config):
        yield "metrics", frame
    for frame in rows.summary(panel, study, config):
        yield "summary", frame


def _matched(
    study: Study, test_set: TestSet, name: matching.TestSet, config: AuditConfig, counts: Array
) -> Iterator[pd.DataFrame]:
    """Yield rows of MATCHED, label by label, and their mean."""
    averaged = []
    what = f"judge matched by {name}" if name != AS_IS else "judge to be matched"
    for i, label in track(enumerate(study.labels), what, "labels", len(study.labels)):
        sample, judged = test_set.of_label(i)
        people = test_set.people.iloc[test_set.judged_for(i)].reset_index(drop=True)
        alike = matching.matched(_singles(sample), people, name, config.min_group_size)
        panel = judgement.of_label(label, alike.sample, judged, config.asked, counts)
        averaged.append(judgement.for_mean(panel))
        for frame in rows.summary(panel, study, config):
            yield _say(frame, alike)
    everyone = _singles(test_set.of_any_label())
    mean = judgement.mean_over_labels(averaged, everyone)
    for frame in rows.summary(mean, study, config):
        yield frame.assign(effective_n=np.nan)


def _say(frame: pd.DataFrame, alike: matching.Matched) -> pd.DataFrame:
    """Add what matching cost each group, and what is to be said of it."""
    places = list(zip(frame["attribute"], frame["group"], strict=True))
    notes = [alike.notes.get(place, "") for place in places]
    size = [alike.effective_n.get(place, np.nan) for place in places]
    return frame.assign(effective_n=size, note=joined(notes, frame["note"].fillna("")))
