"""Soft error rates of groups as a part of a loss, and their slope, worked out rather than traced.

Fair class-balanced fine-tuning, equations 3 to 7.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Denominator = Literal["group", "conditional", "gap"]


def label_weights(target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return w_k = (n - n_k) / n (k,) of training targets (n, k): equation 5.

    n counts images of which the label is known for certain, n_k the positive ones among them.
    """
    n, positive = np.isin(target, (0, 1)).sum(axis=0), (target == 1).sum(axis=0)
    weight: NDArray[np.float64] = (n - positive) / n
    return weight


class Batch(NamedTuple):
    """Images of a batch for each of t trials: `negative` and `positive` (t, b, k), of {0, 1}.

    Of a label that is missing or in doubt an image is neither. `member` (t, b, g) is 1 for the
    image's group; all 0 for one in none, which takes no part.
    """

    negative: Tensor
    positive: Tensor
    member: Tensor


class SoftRates:
    """fpr + fnr of a batch: means over groups of the weighted means over labels of soft rates.

    Equations 6 and 7: fpr = 1/g sum_g 1/W sum_k w_k fpr_kg, and fnr alike, where
    fpr_kg = sum_i p_ik (1 - y_ik) a_ig / D and fnr_kg = sum_i (1 - p_ik) y_ik a_ig / D. Equations 3
    and 4 are missing from the paper, so D is a choice:

    - `group`: images of the group in the batch (with a label known for certain);
    - `conditional`: its negatives, for fpr, and its positives, for fnr: error rates proper;
    - `gap`: fpr_kg and fnr_kg are distances of the conditional rates from those of all other
      groups' images, |rate of g - rate of the rest|.

    Where D is 0 the group adds nothing for that label; the mean is over all g groups even so, so
    that an image's pull does not hang on which other groups happen to be in its batch. A gap adds
    nothing where either side has none, or where it is 0.

    Parameters
    ----------
    denominator
        What D is.
    weight
        w_k (k,), not all 0.
    """

    def __init__(self, denominator: Denominator, weight: Tensor) -> None:
        self._denominator = denominator
        self._weight = weight / weight.sum()

    def slope(self, score: Tensor, batch: Batch) -> Tensor:
        """Return d(fpr + fnr) / dp (t, b, k) at scores p (t, b, k)."""
        slope = {"group": _of_groups, "conditional": _of_classes, "gap": _of_gaps}
        scale = self._weight / batch.member.shape[2]
        return slope[self._denominator](score, batch) * scale


def _of_groups(score: Tensor, batch: Batch) -> Tensor:
    del score  # rates are linear in it
    certain = batch.negative + batch.positive
    share = batch.member @ _one_over(batch.member.mT @ certain)
    return share * (batch.negative - batch.positive)


def _of_classes(score: Tensor, batch: Batch) -> Tensor:
    del score
    member = batch.member
    of_negatives = member @ _one_over(member.mT @ batch.negative)
    of_positives = member @ _one_over(member.mT @ batch.positive)
    return of_negatives * batch.negative - of_positives * batch.positive


def _of_gaps(score: Tensor, batch: Batch) -> Tensor:
    wrong = _gap_slope(score, batch.negative, batch.member)
    missed = _gap_slope(1 - score, batch.positive, batch.member)
    return wrong - missed


def _gap_slope(error: Tensor, among: Tensor, member: Tensor) -> Tensor:
    """Return by each image's error (t, b, k) the slope of the sum over groups of gaps in them.

    An image moves its own group's rate, and the rate of the rest as every other group sees it.
    """
    count, total = member.mT @ among, member.mT @ (error * among)
    own = _one_over(count)
    others = _one_over(count.sum(1, keepdim=True) - count)
    rest = (total.sum(1, keepdim=True) - total) * others
    sign = torch.sign(total * own - rest) * ((own > 0) & (others > 0))
    away = sign * others
    inside = member.sum(2, keepdim=True)
    return (member @ (sign * own + away) - inside * away.sum(1, keepdim=True)) * among


def _one_over(count: Tensor) -> Tensor:
    """Return 1 / count, 0 where there is none."""
    return (count > 0) / count.clamp(min=1)
