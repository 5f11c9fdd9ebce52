"""Deep feature reweighting as first published: sparse logistic regressions on held-out images."""

import warnings
from collections import Counter
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cxrfair.config import Section
from cxrfair.heads._head import NO_GROUP, Fitted, HeadError, Known, Material, Trials
from cxrfair.heads._sample import generator
from cxrfair.progress import track

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

SOURCE = "Kirichenko et al. 2023, arXiv:2204.02937 (DFR on validation images), and its code"
USES_GROUPS = True
STEPS = 1000  # of the optimiser at most


class Config(Section):
    """Settings, from `heads.dfr_logreg` of params.yaml."""

    strengths: Annotated[
        tuple[PositiveFloat, ...],
        Field(min_length=1, description="values of C to choose from; of equals the first listed"),
    ]
    fits: Annotated[PositiveInt, Field(description="balanced samples whose fits are averaged")]
    trials: Annotated[PositiveInt, Field(description="trials at most, of those the study asks for")]


class _Task(NamedTuple):
    """A label on the images it is known of: `features` (n, d), `positive` (n,), `cell` (n,)."""

    features: Array
    positive: NDArray[np.bool_]
    cell: NDArray[np.int64]


class _Line(NamedTuple):
    """Logits are features @ weight + bias; `steps` are those of the optimiser, at most."""

    weight: Array
    bias: float
    steps: int


def fit(material: Material, config: Config, trials: Trials) -> Fitted:
    """Average L1 logistic regressions on balanced samples of validation images, label by label.

    Formula
    -------
    For each label: minimise |b|_1 + C sum of cross entropies over a sample with as many images of
    each cell as the smallest has; cells are the groups' positives and negatives. C is the one whose
    fit on a balanced sample of half the images has the highest accuracy in its worst cell of the
    other half, at 0.5. With it `fits` samples of all the images are fitted, and weights and
    intercepts averaged.

    Fails when
    ----------
    A label is rare or groups are many: the smallest cell decides how much is learnt from, and may
    be an image. It learns from the validation images: scores of that fold are no longer of unseen
    images, and thresholds fitted there are too sure of themselves. Those of the test fold are fair.

    Here
    ----
    Features are standardised by the training images, as the authors' code does. Cells without an
    image are left out. A trial draws the halves and all samples. Labels in doubt or missing, and
    images in no group, take no part. The intercept is penalised too, as liblinear does.

    Raises
    ------
    HeadError
        If a label has no positive or no negative among the validation images of a group.
    """
    scaler = StandardScaler().fit(material.train.features.astype(np.float64))
    scaled = scaler.transform(material.validation.features.astype(np.float64))
    tasks = [_task(material.validation, scaled, k, name) for k, name in enumerate(material.labels)]
    rngs = [generator(trials.seed, t) for t in range(min(trials.count, config.trials))]
    places = [(rng, task) for rng in rngs for task in tasks]
    told: Counter[str] = Counter()
    lines = [
        _averaged(task, config, rng, told)
        for rng, task in track(places, "dfr_logreg", "labels", len(places))
    ]
    shape = (-1, len(tasks), scaled.shape[1])
    weight = np.stack([line.weight for line in lines]).reshape(shape)
    weight = np.where(scaler.var_ > 0, weight / scaler.scale_, 0.0)
    bias = np.array([line.bias for line in lines]).reshape(shape[:2]) - weight @ scaler.mean_
    notes = [_said(name, task, material) for name, task in zip(material.labels, tasks, strict=True)]
    counted = [f"{what}: {n} times" for what, n in sorted(told.items())]
    return Fitted(weight.astype(np.float32), bias.astype(np.float32), (*notes, *counted))


def _task(known: Known, scaled: Array, label: int, name: str) -> _Task:
    """Take what is known for certain of one label."""
    target = known.target[:, label]
    rows = np.flatnonzero(np.isin(target, (0, 1)) & (known.group != NO_GROUP))
    positive = target[rows] == 1
    if not 0 < positive.sum() < len(rows):
        counts = f"{positive.sum()} positive, {(~positive).sum()} negative"
        raise HeadError(f"validation images, label {name}: {counts}; both classes are needed")
    return _Task(scaled[rows], positive, 2 * known.group[rows] + positive)


def _averaged(task: _Task, config: Config, rng: np.random.Generator, told: Counter[str]) -> _Line:
    """Choose C for a label, and average the fits; count in `told` what went less than well."""
    strength = _chosen(task, config.strengths, rng, told)
    rows = np.arange(len(task.cell))
    lines = [_line(task, _sample(task, rows, rng), strength, rng) for _ in range(config.fits)]
    if stopped := sum(line.steps >= STEPS for line in lines):
        told[f"a fit stopped after {STEPS} steps"] += stopped
    weight, bias, steps = zip(*lines, strict=True)
    return _Line(np.mean(weight, axis=0), float(np.mean(bias)), max(steps))


def _chosen(
    task: _Task, strengths: tuple[float, ...], rng: np.random.Generator, told: Counter[str]
) -> float:
    """Return the C that is best in its worst cell of the half it was not fitted on."""
    judged, learnt = np.array_split(rng.permutation(len(task.cell)), 2)
    taken = _sample(task, learnt, rng)
    if len(np.unique(task.positive[taken])) < 2:
        told[f"one class in half the images: C is {strengths[0]}, unchosen"] += 1
        return strengths[0]
    worst = [_worst(task, _line(task, taken, c, rng), judged) for c in strengths]
    return strengths[int(np.argmax(worst))]


def _worst(task: _Task, line: _Line, rows: Rows) -> float:
    """Return the lowest accuracy of a cell."""
    said = task.features[rows] @ line.weight + line.bias > 0
    right, cell = said == task.positive[rows], task.cell[rows]
    count = np.bincount(cell)
    return float((np.bincount(cell, right)[count > 0] / count[count > 0]).min())


def _sample(task: _Task, rows: Rows, rng: np.random.Generator) -> Rows:
    """Draw of each cell as many of `rows` as the smallest that has any holds."""
    mixed = rng.permutation(rows)
    members = [mixed[task.cell[mixed] == cell] for cell in np.unique(task.cell[rows])]
    least = min(len(part) for part in members)
    return np.concatenate([part[:least] for part in members])


def _line(task: _Task, rows: Rows, strength: float, rng: np.random.Generator) -> _Line:
    """Fit a sparse logistic regression to some images."""
    model = LogisticRegression(
        C=strength,
        l1_ratio=1.0,
        solver="liblinear",
        max_iter=STEPS,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # counted in a note
        model.fit(task.features[rows], task.positive[rows])
    return _Line(model.coef_[0], float(model.intercept_[0]), int(model.n_iter_.max()))


def _said(name: str, task: _Task, material: Material) -> str:
    """Say how many images a label is learnt from."""
    count = np.bincount(task.cell)
    held, least = int((count > 0).sum()), int(count[count > 0].min())
    of = f"{held} of {2 * len(material.groups)} cells hold images"
    return f"label {name}: {of}, the smallest {least}; a fit is on {held * least}"
