"""Metrics of many models in many cells over all resamples at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics import Counts, Form, Metric, Rate
from cxrfair.statistics.bootstrap import image_weights
from cxrfair.statistics.cells import Cell

Array = NDArray[np.float64]
ROOM = 4_000_000  # counts in a matrix product at a time: 16 MB; larger blocks suit it
TN, FP, FN, TP = range(4)  # 2 * target + decision


@dataclass(frozen=True)
class Sample:
    """One label's test images: 0/1 target and patient's column (n,), and the cells they form."""

    target: NDArray[np.int8]
    patient: NDArray[np.intp]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Judged:
    """Several models' answers on a sample: scores (m, n), thresholds (m,) or NaN without one."""

    score: Array
    threshold: Array


def estimate(
    sample: Sample, judged: Judged, metrics: Sequence[Metric], counts: NDArray[np.uint16]
) -> tuple[Array, Array]:
    """Compute every metric of every model in every cell, for the sample and all its resamples.

    Returns
    -------
    draws, (models, metrics, cells, 1 + resamples)
        Entry 0 of the last axis is the sample as it is.
    trials, (models, metrics, cells)
        Images in the denominator of a rate; NaN for what is no rate.
    """
    shape = (len(judged.score), len(metrics), len(sample.cells))
    draws, trials = np.full((*shape, len(counts)), np.nan), np.full(shape, np.nan)
    by_score = [i for i, metric in enumerate(metrics) if metric.needs == "score"]
    if len(by_score) < len(metrics):
        matrices = confusion(sample, judged, counts)
        for i in set(range(len(metrics))) - set(by_score):
            compute = metrics[i].compute
            draws[:, i] = compute(matrices)
            if isinstance(compute, Rate):
                trials[:, i] = compute.whole(matrices)[..., 0]
    for number, cell in enumerate(sample.cells):
        if len(cell.rows) and by_score:
            chosen = [metrics[i] for i in by_score]
            draws[:, by_score, number] = _from_scores(sample, judged, chosen, cell.rows, counts)
    return draws, trials


def _from_scores(
    sample: Sample,
    judged: Judged,
    metrics: Sequence[Metric],
    inside: NDArray[np.intp],
    counts: NDArray[np.uint16],
) -> Array:
    """Compute metrics of scores in one cell: draws (models, metrics, 1 + resamples)."""
    target, score = sample.target[inside], judged.score[:, inside]
    draws = np.full((len(score), len(metrics), len(counts)), np.nan)
    for rows, weight in image_weights(counts, sample.patient[inside]):
        for model, i in np.ndindex(len(score), len(metrics)):
            draws[model, i, rows] = metrics[i].compute(target, score[model], weight)
    return draws


def confusion(sample: Sample, judged: Judged, counts: NDArray[np.uint16]) -> Counts:
    """Count outcomes by patient and cell once; each resample is then a row of a matrix product.

    Counts are whole numbers far below 2^24, so that the product in float32 is exact.

    Returns
    -------
    Counts of arrays (models, cells, 1 + resamples), NaN for a model without a threshold.
    """
    n_cells, n_patients = len(sample.cells), counts.shape[1]
    rows = np.concatenate([cell.rows for cell in sample.cells])
    cell = np.repeat(np.arange(n_cells), [len(c.rows) for c in sample.cells])
    decision = judged.score >= judged.threshold[:, None]
    found = np.full((len(judged.score), n_cells, 4, len(counts)), np.nan)
    for model in np.flatnonzero(~np.isnan(judged.threshold)):
        outcome = 2 * sample.target[rows].astype(int) + decision[model, rows]
        place = (sample.patient[rows] * n_cells + cell) * 4 + outcome
        by_patient = np.bincount(place, minlength=n_patients * n_cells * 4)
        table = by_patient.reshape(n_patients, n_cells * 4).astype(np.float32)
        found[model] = _resampled(counts, table).T.reshape(n_cells, 4, len(counts))
    return Counts(tp=found[:, :, TP], fp=found[:, :, FP], tn=found[:, :, TN], fn=found[:, :, FN])


def _resampled(counts: NDArray[np.uint16], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add up the rows of `table` (patients, k) as often as each resample drew them: (b, k)."""
    size = max(1, ROOM // max(1, counts.shape[1]))
    blocks = range(0, len(counts), size)
    return np.concatenate([counts[i : i + size].astype(np.float32) @ table for i in blocks])


def mean_of_defined(draws: Array, axis: int) -> Array:
    """Average over `axis` what is defined in the sample (entry 0 of the last axis).

    A resample in which one of those has no value is NaN: its mean would be of something else.
    """
    defined = ~np.isnan(draws[..., :1])
    total = np.where(defined, draws, 0.0).sum(axis=axis)
    number = defined.sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def compare(draws: Array, metric: Metric, form: Form) -> Array:
    """Make one number of the groups (groups, 1 + resamples) that are defined in the sample.

    NaN with fewer than two such groups, and in a resample in which one of them has no value.
    """
    kept = draws[~np.isnan(draws[:, 0])]
    if len(kept) < 2:
        return np.full(draws.shape[1], np.nan)
    return form.compute(kept, metric)
