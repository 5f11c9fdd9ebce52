"""Losses of labels and their mean, shared by the methods that weigh single labels."""

import torch
from torch import Tensor
from torch.nn import functional

from cxrfair.methods._method import mean_over, over_labels


def entropy(logit: Tensor, target: Tensor, positive: Tensor | None = None) -> Tensor:
    """Return cross entropies (n, k), those of missing labels without meaning.

    `positive` (k,) multiplies the term of a label's positives, and half of that of one in doubt.
    """
    filled = torch.nan_to_num(target)
    return functional.binary_cross_entropy_with_logits(
        logit, filled, reduction="none", pos_weight=positive
    )


def generalised(logit: Tensor, target: Tensor, q: float) -> Tensor:
    """Return (1 - p_y^q) / q (n, k), those of missing labels without meaning.

    p_y is the score of the class that a label is of; of one in doubt, the mean of both losses.
    Zhang & Sabuncu 2018, arXiv:1805.07836, section 3 (the L_q loss).
    """
    filled = torch.nan_to_num(target)
    # p^q by its logarithm: the gradient stays finite where p is 0.
    positive = (1 - torch.exp(q * functional.logsigmoid(logit))) / q
    negative = (1 - torch.exp(q * functional.logsigmoid(-logit))) / q
    return filled * positive + (1 - filled) * negative


def over_images(each: Tensor, target: Tensor) -> Tensor:
    """Average losses (n, k) over the labels an image has, then over the images that have any."""
    return mean_over(*over_labels(each, ~torch.isnan(target)))
