"""Learning from failure."""

import copy
from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._method import (
    LEARNER,
    Batch,
    Groups,
    Method,
    Player,
    Turn,
    mean_over,
    over_labels,
)
from cxrfair.methods._network import Network

BIASED = "biased"


class LffConfig(Section):
    """Settings, from `methods.lff` of params.yaml."""

    q: Annotated[float, Field(gt=0, le=1)]  # of generalised cross entropy; 0 would be cross entropy
    memory: Annotated[float, Field(ge=0, lt=1)]  # of an example's loss: share kept at an update


class Lff(Method[LffConfig]):
    """Learn most from what a network that prefers easy cues gets wrong, blind to groups.

    The biased network minimises (1 - p_y^q) / q, the deployed one W times cross entropy with
    W = lb / (lb + ld): running averages of the cross entropies of the biased (b) and the deployed
    (d) network on this example, each divided by the largest among training examples of its class.
    A first loss is taken as it is.

    The biased network is a copy of the deployed one with a head of its own: where weights are not
    pretrained, both backbones start from the same draw. Every label is a task of its own, with its
    own W; an image's loss is the mean over the labels it has. A label learnt with its doubt mixes
    the losses of both classes, and such labels are a class of their own in dividing.
    """

    source = "Nam et al. 2020, arXiv:2007.02561, Algorithm 1, equations 1 and 3"
    config_type = LffConfig
    average: Tensor  # (2, m, k) over the m training examples; of the biased network, of the other
    kind: Tensor  # (m, k) int8: class of each example, -1 before it is first seen

    def __init__(
        self, net: Network, groups: Groups, config: LffConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.biased = copy.deepcopy(net)
        self.biased.head.reset_parameters()
        shape = sum(groups.counts), net.head.out_features
        self.register_buffer("average", torch.zeros(2, *shape))
        self.register_buffer("kind", torch.full(shape, -1, dtype=torch.int8))

    def players(self) -> dict[str, Player]:
        """Return both networks."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            BIASED: Player(tuple(self.biased.parameters())),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the biased network, then the deployed one; neither loss reaches the other."""
        index, target = gather(batch.index), gather(batch.target)
        easy = gather(self.biased(batch.image))
        yield Turn(_over_images(_generalised(easy, target, self.config.q), target), BIASED)
        losses = _entropy(gather(self.net(batch.image)), target)
        both = torch.stack([_entropy(easy, target), losses]).detach()
        if self.training:
            self._remember(both, target, index)
        yield Turn(_over_images(self._weight(target, index) * losses, target))

    def _remember(self, losses: Tensor, target: Tensor, index: Tensor) -> None:
        """Update the averages with losses (2, n, k), an example drawn twice with their mean."""
        known = ~torch.isnan(target)
        places, which = torch.unique(index, return_inverse=True)
        total = losses.new_zeros(2, len(places), target.shape[1])
        count = total[0].index_add(0, which, known.to(losses))
        total = total.index_add(1, which, losses * known)
        old = self.average[:, places]
        keep = self.config.memory * (self.kind[places] >= 0)
        new = keep * old + (1 - keep) * total / count.clamp(min=1)
        self.average[:, places] = torch.where(count > 0, new, old)
        self.kind[index] = torch.where(known, _kind(target), self.kind[index])

    def _weight(self, target: Tensor, index: Tensor) -> Tensor:
        """Return W (n, k) of equation 3, 0 where both averages are."""
        worst = torch.stack([(self.average * (self.kind == c)).amax(1) for c in range(3)], 1)
        top = worst.gather(1, _kind(target).long().expand(2, -1, -1))
        biased, other = self.average[:, index] / top.clamp(min=1e-8)
        weight: Tensor = biased / (biased + other).clamp(min=1e-8)
        return weight


def _kind(target: Tensor) -> Tensor:
    """Return the classes (n, k): 0 absent, 1 in doubt, 2 present; 0 too for a missing label."""
    return (target > 0).to(torch.int8) + (target == 1).to(torch.int8)


def _entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Return cross entropies (n, k), those of missing labels without meaning."""
    filled = torch.nan_to_num(target)
    return functional.binary_cross_entropy_with_logits(logit, filled, reduction="none")


def _generalised(logit: Tensor, target: Tensor, q: float) -> Tensor:
    """Return (1 - p_y^q) / q (n, k) of equation 1, those of missing labels without meaning."""
    filled = torch.nan_to_num(target)
    # p^q by its logarithm: the gradient stays finite where p is 0.
    positive = (1 - torch.exp(q * functional.logsigmoid(logit))) / q
    negative = (1 - torch.exp(q * functional.logsigmoid(-logit))) / q
    return filled * positive + (1 - filled) * negative


def _over_images(each: Tensor, target: Tensor) -> Tensor:
    """Average losses (n, k) over the labels an image has, then over the images that have any."""
    return mean_over(*over_labels(each, ~torch.isnan(target)))


METHOD = Lff
