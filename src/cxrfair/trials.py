"""Many trials of a variant on the same test images: how each one does, and how far they spread.

Every decision is taken at 0.5, every number is a mean over labels: AUROC, WACC (balanced accuracy),
EO_Diff and AF of the paper Fair class-balanced fine-tuning (Section 3, Eq. 8 and 9; Table 2).
Trials differ in the training images that were drawn and in the head they began with. What they
spread by says nothing of other test patients.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import comparisons, metrics
from cxrfair.errors import CxrfairError
from cxrfair.evidence import FOLD
from cxrfair.lookup import people_of
from cxrfair.metrics import Counts, Ranks
from cxrfair.probes import judged
from cxrfair.progress import track
from cxrfair.statistics import cells as groups
from cxrfair.statistics.cells import ALL, Cell, known
from cxrfair.statistics.estimates import mean_of_defined
from cxrfair.statistics.panels import join
from cxrfair.studies import Study
from cxrfair.tables import TRIALS

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
THRESHOLD = 0.5
ACROSS = ("auroc", "balanced_accuracy")  # of all images
BETWEEN = ("eo_diff", "af")  # of the groups of an attribute
MEASURES = (*ACROSS, *BETWEEN)
ROOM = 2**25  # scores looked at together: 128 MB


class TrialsError(CxrfairError):
    """Trials cannot be judged, or not side by side."""


class Scores(NamedTuple):
    """Scores of a model's trials: `values` (t, images, k), which may lie on disk.

    `rows` (n,) are the places of the test images on the second axis, `ids` (n,) who these are, in
    order.
    """

    values: Floats
    ids: pd.Series
    rows: NDArray[np.int64]


def of_heads(values: Floats, index: pd.DataFrame) -> Scores:
    """Take the test images of trials (t, images, k) by rows of `tables.TRIAL_INDEX`.

    Raises
    ------
    TrialsError
        If the index names a place that the scores do not have.
    """
    test = index[index["fold"] == FOLD].sort_values("image_id", ignore_index=True)
    rows = test["row"].to_numpy(np.int64)
    if odd := int(((rows < 0) | (rows >= values.shape[1])).sum()):
        raise TrialsError(
            f"trials: {odd} images have a row that is not among {values.shape[1]} of the scores"
        )
    return Scores(values, test["image_id"], rows)


def of_predictions(predictions: pd.DataFrame, labels: Sequence[str]) -> Scores:
    """Take rows of `tables.PREDICTIONS` for the one trial of a model that has no others.

    Raises
    ------
    TrialsError
        If a label has no predictions of test images.
    """
    test = predictions[predictions["fold"] == FOLD]
    wide = test.pivot(index="image_id", columns="label", values="score")
    if missing := [label for label in labels if label not in wide]:
        raise TrialsError(f"trials: no {FOLD} predictions for {missing}; all of a study are needed")
    values = wide[list(labels)].to_numpy(np.float32)[None]
    return Scores(values, wide.index.to_series(), np.arange(len(wide)))


def table(
    where: tuple[str, str],
    study: Study,
    models: Mapping[tuple[str, int], Scores],
    people: tuple[pd.DataFrame, pd.DataFrame],
    smallest: int,
) -> pd.DataFrame:
    """Judge all trials of all models of a data set on its test images.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    models
        Scores by variant and seed.
    people
        Rows of `tables.COHORT` and of `tables.TARGETS`.
    smallest
        Images; comparisons that a smaller group enters are flagged.

    Returns
    -------
    DataFrame
        Rows of `tables.TRIALS`.

    Raises
    ------
    TrialsError
        If models were not tested on the same images, or an image is not in the cohort.
    """
    if not models:
        return TRIALS.empty()
    cohort, targets = people
    ids = _common(models)
    whose = people_of(ids, cohort, ("trials", f"{FOLD} images"), TrialsError)
    cells = groups.make(whose, study.attributes)
    target = judged(targets, study.labels, ids).to_numpy(np.float64)
    what = f"trials {where[0]} {where[1]}"
    rows = [
        judge(scores, target, cells, smallest).assign(variant=variant, seed=seed)
        for (variant, seed), scores in track(models.items(), what, "models", len(models))
    ]
    every = pd.concat(rows, ignore_index=True).assign(study=where[0], dataset=where[1])
    return every.reindex(columns=TRIALS.schema.names)


def judge(scores: Scores, target: Array, cells: Sequence[Cell], smallest: int) -> pd.DataFrame:
    """Judge all trials of a model.

    Of each label: AUROC and balanced accuracy of all images; EO_Diff and AF of the known groups of
    each attribute, as the comparisons of these names have them. The value is the mean over the
    labels for which it is defined. A group without positives is left out of the gap in TPR, one
    without negatives out of that in FPR, and fewer than two groups leave no gap.

    Parameters
    ----------
    target
        (n, k): 1, 0, or NaN where an image is not judged for a label.
    cells
        What `statistics.cells.make` gives of the same n images.

    Returns
    -------
    DataFrame
        Columns trial, attribute, metric, value, n_labels, note; NaN with a note where no label has
        a value.

    Raises
    ------
    TrialsError
        If there is no trial, a score is not finite, or labels are too many or too few.
    """
    t, _, k = scores.values.shape
    if not t or k != target.shape[1]:
        raise TrialsError(
            f"trials: {t} trials of {k} labels; there must be at least 1, of {target.shape[1]}"
        )
    blocks = [_of_block(block, target, cells) for block in _blocks(scores)]
    value = np.concatenate([mean_of_defined(of, axis=0) for of in blocks], axis=-1)
    number = (~np.isnan(blocks[0][..., 0])).sum(axis=0)
    frame = pd.DataFrame(_places(cells), columns=["attribute", "metric"])
    notes = _notes(frame["attribute"], number, target, cells, smallest)
    frame = frame.assign(n_labels=number, note=pd.Series(notes, dtype="str"))
    rows = frame.loc[np.tile(frame.index, t)].reset_index(drop=True)
    return rows.assign(trial=np.repeat(np.arange(t), len(frame)), value=value.T.ravel())


def _common(models: Mapping[tuple[str, int], Scores]) -> pd.Series:
    """Return the ids of the test images, which must be the same of every model."""
    (first, scores), *others = models.items()
    ids = scores.ids.reset_index(drop=True)
    for key, of in others:
        if not ids.equals(of.ids.reset_index(drop=True)):
            raise TrialsError(
                f"{key}: its {len(of.ids)} {FOLD} images differ from the {len(ids)} of {first}"
            )
    return ids


def _places(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """List the attribute and the metric of each number of a trial."""
    each = [(attribute, name) for attribute in known(cells) for name in BETWEEN]
    return [*((ALL, name) for name in ACROSS), *each]


def _blocks(scores: Scores) -> Iterator[Floats]:
    """Yield the scores of the test images, some trials at a time, (k, trials, n).

    Raises
    ------
    TrialsError
        If one is not finite.
    """
    t, _, k = scores.values.shape
    size = max(1, ROOM // max(1, len(scores.rows) * k))
    for start in range(0, t, size):
        part = scores.values[start : start + size][:, scores.rows]
        if odd := int((~np.isfinite(part)).sum()):
            raise TrialsError(f"trials: {odd} scores are not finite; allowed: 0")
        yield np.ascontiguousarray(np.moveaxis(part, 2, 0))


def _of_block(score: Floats, target: Array, cells: Sequence[Cell]) -> Array:
    """Judge some trials (k, t, n): the numbers of `_places` for each label, (k, p, t)."""
    belongs = np.zeros((len(target), len(cells)), np.float32)
    for place, cell in enumerate(cells):
        belongs[cell.rows, place] = 1
    found = []
    for of_label, truth in zip(score, target.T, strict=True):
        rows = np.flatnonzero(~np.isnan(truth))
        positive, inside = truth[rows] == 1, of_label[:, rows]
        counts = _confusion(inside, positive, belongs[rows])
        lines = [
            metrics.get("auroc").compute(_ranks(inside, positive)),
            metrics.get("balanced_accuracy").compute(_some(counts, [0]))[0],
        ]
        for members in known(cells).values():
            of = _some(counts, members)
            lines += [comparisons.get(name).compute(of) for name in BETWEEN]
        found.append(np.stack(lines))
    return np.stack(found)


def _ranks(score: Floats, positive: Bools) -> Ranks:
    """Set the positives of each trial (t, n) among its negatives; here a weighting is a trial."""
    held, others = (np.sort(score[:, of], axis=1) for of in (positive, ~positive))
    lower, upper = (
        np.stack([np.searchsorted(*of, side) for of in zip(others, held, strict=True)], axis=1)
        for side in ("left", "right")
    )
    negative = np.full(len(score), float(others.shape[1]))
    return Ranks(np.ones(lower.shape), lower.astype(float), upper.astype(float), negative)


def _confusion(score: Floats, positive: Bools, belongs: Floats) -> Counts:
    """Count the outcomes of trials (t, n) in cells: (cells, t); `belongs` is (n, cells).

    Sums of ones are exact in float32 up to 16 million images.
    """
    called, parts = (score >= THRESHOLD).astype(np.float32), []
    for of in (positive, ~positive):
        yes = (called[:, of] @ belongs[of]).T.astype(np.float64)
        parts += [yes, belongs[of].sum(axis=0, dtype=np.float64)[:, None] - yes]
    tp, fn, fp, tn = parts
    return Counts(tp=tp, fp=fp, tn=tn, fn=fn)


def _some(counts: Counts, members: Sequence[int]) -> Counts:
    """Return the matrices of some cells."""
    tp, fp, tn, fn = (part[list(members)] for part in (counts.tp, counts.fp, counts.tn, counts.fn))
    return Counts(tp=tp, fp=fp, tn=tn, fn=fn)


def _notes(
    attributes: "pd.Series[str]",
    number: NDArray[np.int_],
    target: Array,
    cells: Sequence[Cell],
    smallest: int,
) -> list[str | None]:
    """Say what each number of a trial leaves out, and which small groups enter it."""
    k = target.shape[1]
    left = [f"{k - n} of {k} labels undefined and left out" if n < k else "" for n in number]
    of = {attribute: [cells[i] for i in inside] for attribute, inside in known(cells).items()}
    said = {attribute: _of_groups(inside, target, smallest) for attribute, inside in of.items()}
    each = zip(left, attributes, strict=True)
    return [join(note, said.get(attribute, "")) or None for note, attribute in each]


def _of_groups(members: Sequence[Cell], target: Array, smallest: int) -> str:
    """Say which groups of an attribute are left out of gaps for a label, and which are small."""
    lack = np.zeros(target.shape[1], bool)
    for cell in members:
        for value in (0, 1):
            lack |= ~(target[cell.rows] == value).any(axis=0)
    few = ", ".join(cell.group for cell in members if len(cell.rows) < smallest)
    missing = f"groups without positives or negatives left out for {lack.sum()} labels"
    small = f"enters with fewer than {smallest} images: {few}"
    return join(missing if lack.any() else "", small if few else "")
