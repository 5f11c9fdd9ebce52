"""How fast to learn at which step, and when to slow down or stop: nothing here has a memory.

All follows from the step and from the validation scores so far, so that a resumed run needs only
its history.
"""

import math
from collections.abc import Sequence
from typing import Literal

from cxrfair.training.config import Cosine, Plateau, ScheduleConfig, Step

Direction = Literal["higher", "lower"]


def factor(
    config: ScheduleConfig, step: int, steps_per_epoch: int, epochs: int, reductions: int = 0
) -> float:
    """Return what the learning rate is multiplied by at a step, in (0, 1].

    The warm-up rises in a line, (step + 1) / w up to 1, where w is `warmup_epochs *
    steps_per_epoch` and need not be whole. A cosine (Loshchilov &
    Hutter 2017, Eq. 5, without restarts) takes the steps after it; `step` counts whole epochs from
    the first and `plateau` its reductions, warm-up or not.

    Parameters
    ----------
    step
        Steps made before this one, in all epochs together.
    reductions
        For `plateau`: how often the rate was cut so far, by the function of that name.
    """
    warmup = config.warmup_epochs * steps_per_epoch
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if isinstance(config, Cosine):
        return rising * _cosine(step - warmup, epochs * steps_per_epoch - warmup)
    if isinstance(config, Step):
        reduced: float = config.factor ** (step // steps_per_epoch // config.every_epochs)
        return rising * reduced
    if isinstance(config, Plateau):
        slowed: float = config.factor**reductions
        return rising * slowed
    return rising


def improves(score: float, best: float, better: Direction) -> bool:
    """Say whether a score beats the best so far; NaN beats nothing, and anything beats NaN."""
    if math.isnan(score) or math.isnan(best):
        return not math.isnan(score)
    return score > best if better == "higher" else score < best


def reductions(scores: Sequence[float], patience_epochs: int, better: Direction) -> int:
    """Count how often a plateau was met: that many epochs in a row without a better score.

    `scores` are those of the epochs so far, in order. After a reduction the patience starts anew,
    the best score stays. torch's ReduceLROnPlateau does the same with a threshold of 0 and
    `patience = patience_epochs - 1`: it waits for one epoch more than its patience.
    """
    best, waited, count = math.nan, 0, 0
    for score in scores:
        if improves(score, best, better):
            best, waited = score, 0
        else:
            waited += 1
        if waited == patience_epochs:
            waited, count = 0, count + 1
    return count


def stale(scores: Sequence[float], better: Direction) -> int:
    """Count the epochs since the best score, the earliest of equals; all while there is none."""
    best, waited = math.nan, 0
    for score in scores:
        waited += 1
        if improves(score, best, better):
            best, waited = score, 0
    return waited


def _cosine(done: float, whole: float) -> float:
    """Fall from 1 to 0 in half a cosine; 1 before it begins."""
    return (1 + math.cos(math.pi * min(done / whole, 1))) / 2 if done > 0 else 1.0
