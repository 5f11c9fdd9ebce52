"""Metrics of many models in many cells over all resamples at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxrfair.metrics import Counts, Form, Metric, Rate, ratio
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.sums import Resampled, ranks

Array = NDArray[np.float64]
ROOM = 3_000_000  # numbers in an array at a time: 24 MB, which the allocator keeps and reuses
TN, FP, FN, TP = range(4)  # 2 * target + decision


@dataclass(frozen=True)
class Sample:
    """One label's test images: 0/1 target and patient's column (n,), and the cells they form."""

    target: NDArray[np.int8]
    patient: NDArray[np.intp]
    cells: Sequence[Cell]

    def describe(self, cells: Sequence[Cell]) -> list[dict[str, object]]:
        """Name cells and count the images, positives and patients in them, one row each."""
        return [
            {
                "attribute": cell.attribute,
                "group": cell.group,
                "n": len(cell.rows),
                "n_positive": int(self.target[cell.rows].sum()),
                "n_patients": len(np.unique(self.patient[cell.rows])),
            }
            for cell in cells
        ]


@dataclass(frozen=True)
class Judged:
    """Several models' answers on a sample: scores (m, n), thresholds, NaN where there is none.

    `threshold` is (m,), or (m, n) where images of some model have thresholds of their own.
    """

    score: Array
    threshold: Array

    @property
    def only_threshold(self) -> Array:
        """Return the threshold (m,) of models that have one for all images; NaN of others."""
        if self.threshold.ndim == 1:
            return self.threshold
        low = self.threshold.min(axis=1, initial=np.inf)
        return np.where(low == self.threshold.max(axis=1, initial=-np.inf), low, np.nan)

    def of(self, model: int, rows: NDArray[np.intp]) -> Array:
        """Return the threshold of a model on images: one (), or one for each of `rows`."""
        return np.asarray(
            self.threshold[model] if self.threshold.ndim == 1 else self.threshold[model, rows]
        )


def estimate(
    sample: Sample,
    judged: Judged,
    metrics: Sequence[Metric],
    counts: NDArray[np.number],
    matrices: Counts | None = None,
) -> tuple[Array, Array]:
    """Compute every metric of every model in every cell, for the sample and all its resamples.

    Parameters
    ----------
    counts
        How often each patient is drawn, (1 + resamples, patients): `bootstrap.patient_counts`.
    matrices
        What `confusion` gives, where it is at hand.

    Returns
    -------
    draws, (models, metrics, cells, 1 + resamples)
        Entry 0 of the last axis is the sample as it is.
    trials, (models, metrics, cells)
        Images in the denominator of a rate, of weighted ones the effective number (Kish 1965,
        Section 11.7); NaN for what is no rate, and without any.
    """
    shape = (len(judged.score), len(metrics), len(sample.cells))
    draws, trials = np.full((*shape, len(counts)), np.nan), np.full(shape, np.nan)
    by_count = [i for i, metric in enumerate(metrics) if metric.needs == "counts"]
    if by_count:
        matrices = matrices or confusion(sample, judged, counts)
        squares = _of_squares(sample, judged, matrices, counts)
        for i in by_count:
            compute = metrics[i].compute
            draws[:, i] = compute(matrices)
            if isinstance(compute, Rate):
                weight, square = (compute.whole(of)[..., 0] for of in (matrices, squares))
                trials[:, i] = ratio(weight**2, square)
    others = [i for i in range(len(metrics)) if i not in by_count]
    for model, cell in np.ndindex(shape[0], shape[2]) if others else ():
        score, wanted = judged.score[model], [metrics[i] for i in others]
        draws[model, others, cell] = _from_scores(sample, sample.cells[cell], score, wanted, counts)
    return draws, trials


def _from_scores(
    sample: Sample,
    cell: Cell,
    score: Array,
    metrics: Sequence[Metric],
    counts: NDArray[np.number],
) -> Array:
    """Compute metrics of one model's scores in one cell: draws (metrics, 1 + resamples)."""
    draws = np.full((len(metrics), len(counts)), np.nan)
    target, score = sample.target[cell.rows], score[cell.rows]
    if not len(target):
        return draws
    by_rank = [i for i, metric in enumerate(metrics) if metric.needs == "ranks"]
    by_sum = [i for i in range(len(metrics)) if i not in by_rank]
    n_levels = int(target.sum()) if by_rank else 0
    for columns, images in _blocks(sample, cell, counts, 1 + n_levels):
        if by_rank:
            ordered = ranks(images, target, score)
            draws[by_rank, columns] = [metrics[i].compute(ordered) for i in by_rank]
        if by_sum:
            wanted = [metrics[i] for i in by_sum]
            draws[by_sum, columns] = _from_sums(wanted, images, target, score)
    return draws


def _from_sums(
    metrics: Sequence[Metric], images: Resampled, target: NDArray[np.int8], score: Array
) -> list[Array]:
    """Compute metrics that are made of sums over images; all their sums in one go."""
    places, terms, ends = [np.zeros(len(target), np.intp)], [np.ones(len(target))], [1]
    for metric in metrics:
        if metric.terms is not None:
            place, term = metric.terms.of(target, score)
            places.append(place + ends[-1])
            terms.append(term)
            ends.append(ends[-1] + metric.terms.bins)
    sums = images.add_all(places, terms, ends[-1])
    parts = np.split(sums[1:], np.array(ends[1:-1], int) - 1)
    return [metric.compute(part, sums[0]) for metric, part in zip(metrics, parts, strict=True)]


def _blocks(
    sample: Sample, cell: Cell, counts: NDArray[np.number], n_sums: int
) -> Iterator[tuple[slice, Resampled]]:
    """Yield resamples a part at a time, so that `n_sums` sums of each find room."""
    patient = sample.patient[cell.rows]
    weight = np.ones(len(cell.rows)) if cell.weight is None else cell.weight
    size = max(1, ROOM // max(1, n_sums))
    for start in range(0, len(counts), size):
        columns = slice(start, min(start + size, len(counts)))
        drawn = np.ascontiguousarray(counts[columns].T, np.float64)
        yield columns, Resampled(patient, weight, drawn)


def confusion(sample: Sample, judged: Judged, counts: NDArray[np.number]) -> Counts:
    """Count outcomes in every cell, for the sample and all its resamples.

    Returns
    -------
    Counts of arrays (models, cells, 1 + resamples), NaN for a model without a threshold, and in
    a cell with an image without one. Their `threshold` is NaN for a model that has several.
    """
    n_cells = len(sample.cells)
    whole = _together(sample.cells)
    cell = np.repeat(np.arange(n_cells), [len(c.rows) for c in sample.cells])
    found = np.full((len(judged.score), n_cells, 4, len(counts)), np.nan)
    one = np.ones(len(cell))
    for columns, images in _blocks(sample, whole, counts, 4 * n_cells):
        for model, score in enumerate(judged.score):
            threshold = judged.of(model, whole.rows)
            undecided = np.isnan(threshold)
            if undecided.ndim == 0 and undecided:
                continue
            called = score[whole.rows] >= threshold
            outcome = 2 * sample.target[whole.rows].astype(np.intp) + called
            sums = images.add_all([4 * cell + outcome], [one], 4 * n_cells)
            found[model, ..., columns] = sums.reshape(n_cells, 4, sums.shape[1])
            if undecided.any():
                found[model, cell[undecided]] = np.nan
    parts = {"tp": TP, "fp": FP, "tn": TN, "fn": FN}
    each = {name: found[:, :, place] for name, place in parts.items()}
    return Counts(**each, threshold=judged.only_threshold[:, None, None])


def _of_squares(
    sample: Sample, judged: Judged, matrices: Counts, counts: NDArray[np.number]
) -> Counts:
    """Count outcomes in the sample by the squares of weights; `matrices` where nothing has any."""
    if all(cell.weight is None for cell in sample.cells):
        return matrices
    cells = [c if c.weight is None else replace(c, weight=c.weight**2) for c in sample.cells]
    return confusion(replace(sample, cells=cells), judged, counts[:1])


def _together(cells: Sequence[Cell]) -> Cell:
    """Set cells behind one another."""
    none: list[NDArray[np.float64]] = [np.array([])]
    weights = [np.ones(len(c.rows)) if c.weight is None else c.weight for c in cells]
    rows = np.concatenate([np.array([], np.intp), *(cell.rows for cell in cells)])
    return Cell("", "", rows, np.concatenate(none + weights))


def in_sample(metric: Metric, target: NDArray[np.int8], score: Array) -> float:
    """Compute a metric of scores on images (n,) as they are; NaN where it is undefined.

    Of metrics that need decisions there is none here, for want of a threshold.
    """
    everyone = Cell("", "", np.arange(len(target)))
    sample = Sample(target, np.zeros(len(target), np.intp), [everyone])
    judged = Judged(score[None], np.full(1, np.nan))
    return float(estimate(sample, judged, [metric], np.ones((1, 1)))[0][0, 0, 0, 0])


def mean_of_defined(draws: Array, axis: int) -> Array:
    """Average over `axis` what is defined in the sample (entry 0 of the last axis).

    A resample in which one of those has no value is NaN: its mean would be of something else.
    """
    defined = ~np.isnan(draws[..., :1])
    total = np.where(defined, draws, 0.0).sum(axis=axis)
    number = defined.sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def compare(draws: Array, metric: Metric, form: Form) -> Array:
    """Compare the groups (groups, 1 + resamples) that are defined in the sample.

    Returns
    -------
    (1 + resamples,), or (groups, 1 + resamples) of a form that gives each group a number. NaN with
    fewer than two such groups, of groups that are not, and in a resample in which one of them has
    no value.
    """
    defined = ~np.isnan(draws[:, 0])
    found = np.full(draws.shape if form.each else draws.shape[1:], np.nan)
    if defined.sum() < 2:
        return found
    values = form.compute(draws[defined], metric)
    if form.each:
        found[defined] = values
        return found
    return values
