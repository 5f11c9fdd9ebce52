"""All trials of a head as one program: an axis of heads, slopes worked out, one optimiser."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from cxrfair.config import Section
from cxrfair.heads._head import Fitted, HeadError, Known, Material, Trials
from cxrfair.heads._rates import Batch, SoftRates
from cxrfair.heads._sample import Sampler, Start, start
from cxrfair.progress import track
from cxrfair.ranges import Among, Between

NO_FINDING = "no_finding"
# What the trials of one chunk may hold at once: a CPU is fastest while it fits its cache.
BYTES = {"cpu": 2**22, "cuda": 2**30}
FLOAT = 4


class Learning(Section):
    """How a head learns by gradient: what the settings of these heads have in common."""

    learning_rate: Annotated[
        PositiveFloat, Between(1e-5, 1e-2, log=True), Field(description="step of Adam")
    ]
    weight_decay: Annotated[
        NonNegativeFloat,
        Between(1e-5, 1e-2, log=True),
        Field(description="L2 penalty on weights and biases, a part of the gradient"),
    ]
    batch_size: Annotated[PositiveInt, Field(description="images of a step")]
    epochs: Annotated[PositiveInt, Field(description="times that the sample is gone through")]
    weighted_bce: Annotated[
        bool,
        Among((False, True)),
        Field(description="whether positives of a label weigh more the rarer the label is"),
    ]


@dataclass(frozen=True)
class Fairness:
    """`weight` times soft rates beside the cross entropy."""

    weight: float
    rates: SoftRates


class _Facts(NamedTuple):
    """What the slope of the loss takes of n images, side by side so that one gather fetches all.

    `table` (n, 3k + 1): per label the two numbers that make up the slope of the cross entropy
    (`mass`, `pull`), its class (1, -1, 0 where neither), and whether the image has a label at all.
    `member` (n, g) is the group, None where no loss looks at it.
    """

    table: Tensor
    member: Tensor | None


def positive_weights(target: NDArray[np.float32], labels: tuple[str, ...]) -> NDArray[np.float64]:
    """Return p_k = n_no_finding / n_k (k,) of training targets (n, k): equation 1 of the paper.

    Where `no_finding` is no label, n_no_finding are the images that are positive for none, in doubt
    of none, and have a label. As in `methods.erm`.

    Raises
    ------
    HeadError
        If there is no image without findings, or no positive of a label.
    """
    counts = (target == 1).sum(axis=0)
    free = ~np.isnan(target).all(axis=1) & ~(target > 0).any(axis=1)
    empty = counts[labels.index(NO_FINDING)] if NO_FINDING in labels else free.sum()
    if lacking := [name for name, n in zip(labels, counts, strict=True) if not n or not empty]:
        raise HeadError(
            f"training images: {empty} without findings, and weighted_bce cannot weigh "
            f"{', '.join(lacking)}; it needs some without findings and some positive for each label"
        )
    weight: NDArray[np.float64] = empty / counts
    return weight


def train(
    material: Material,
    config: Learning,
    sampler: Sampler,
    trials: Trials,
    fairness: Fairness | None = None,
) -> Fitted:
    """Train a fresh head on a fresh sample of the training images for each trial.

    The loss is the cross entropy of a batch, as a mean over its images that have a label of the
    mean over an image's labels, plus `fairness`. Adam with weight decay as in `torch.optim`, which
    moves every number by itself: heads that lie side by side in one tensor move as they would
    alone. A label in doubt is half of each class to the cross entropy.

    Returns
    -------
    Fitted
        Equal to trials one by one within rounding of float32.
    """
    known, device = material.train, trials.device
    ones = np.ones(len(material.labels))
    weigh = positive_weights(known.target, material.labels) if config.weighted_bce else ones
    groups = len(material.groups) if fairness else 0
    facts = _facts(known, weigh, groups, device)
    features = torch.from_numpy(known.features).to(device)
    program = _Program(features, facts, config, fairness)
    shape = known.target.shape[1], features.shape[1]
    chunks = _chunks(trials, shape, config.batch_size)
    found = []
    for chunk in track(chunks, "heads", "chunks", len(chunks)):
        place = [(trials.seed, trial) for trial in chunk]
        found.append(program.run([start(sampler, shape, config.epochs, each) for each in place]))
    weight, bias = (torch.cat(part).cpu().numpy() for part in zip(*found, strict=True))
    return Fitted(weight, bias, sampler.notes)


class _Program:
    """What the trials of a chunk go through; t of them side by side."""

    def __init__(
        self, features: Tensor, facts: _Facts, config: Learning, fairness: Fairness | None
    ) -> None:
        self._features, self._facts, self._config = features, facts, config
        self._fairness = fairness

    def run(self, starts: Sequence[Start]) -> tuple[Tensor, Tensor]:
        """Train the heads of these trials: weights (t, k, d) and biases (t, k)."""
        device, config = self._features.device, self._config
        weight, bias, rows = (
            torch.from_numpy(np.stack(part)).to(device) for part in zip(*starts, strict=True)
        )
        weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
        optimiser = torch.optim.Adam(
            [weight, bias], config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        for epoch in range(config.epochs):
            for batch in torch.split(rows[:, epoch], config.batch_size, dim=1):
                self._point(weight, bias, batch)
                optimiser.step()
        return weight, bias

    def _point(self, weight: Tensor, bias: Tensor, batch: Tensor) -> None:
        """Leave the slopes of the loss on batches (t, b) of rows where the optimiser looks."""
        taken = batch.reshape(-1)
        features = self._features.index_select(0, taken).view(*batch.shape, -1)
        score = torch.baddbmm(bias.unsqueeze(1), features, weight.mT).sigmoid_()
        slope = self._slope(score, taken)
        torch.bmm(slope.mT, features, out=weight.grad)
        torch.sum(slope, 1, out=bias.grad)

    def _slope(self, score: Tensor, taken: Tensor) -> Tensor:
        """Return the slope of the loss by logits (t, b, k), whose sigmoid is `score`."""
        trials, images, labels = score.shape
        facts = self._facts.table.index_select(0, taken).view(trials, images, -1)
        mass, pull, kind, counts = torch.split(facts, [labels, labels, labels, 1], dim=2)
        slope = (score * mass).sub_(pull).div_(counts.sum(1, keepdim=True).clamp_(min=1))
        if self._fairness is None or self._facts.member is None:
            return slope
        member = self._facts.member.index_select(0, taken).view(trials, images, -1)
        batch = Batch((kind < 0).float(), (kind > 0).float(), member)
        by_score = self._fairness.rates.slope(score, batch)
        return slope.addcmul_(by_score, score * (1 - score), value=self._fairness.weight)


def _facts(known: Known, weight: NDArray[np.float64], groups: int, device: torch.device) -> _Facts:
    """Gather what the loss looks at; `weight` (k,) multiplies the cross entropy of positives."""
    here = ~np.isnan(known.target)
    share = here / np.maximum(here.sum(axis=1, keepdims=True), 1)
    filled = np.nan_to_num(known.target)
    pull = share * filled * weight
    mass = pull + share * (1 - filled)
    kind = (filled == 1).astype(np.float32) - (here & (filled == 0))
    table = np.concatenate([mass, pull, kind, here.any(axis=1, keepdims=True)], axis=1)
    member = np.equal.outer(known.group, np.arange(groups)) if groups else None
    return _Facts(_floats(table, device), None if member is None else _floats(member, device))


def _floats(values: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _chunks(trials: Trials, shape: tuple[int, int], batch: int) -> list[range]:
    """Cut trials into runs whose heads, with Adam's numbers and a batch each, fit `BYTES`."""
    labels, d = shape
    of_one = FLOAT * d * (4 * labels + batch)
    size = max(1, BYTES[trials.device.type] // of_one)
    return [range(k, min(k + size, trials.count)) for k in range(0, trials.count, size)]
