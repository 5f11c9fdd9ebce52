"""Learning from failure."""

import copy
from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._losses import entropy, generalised, over_images
from cxrfair.methods._method import LEARNER, Batch, Groups, Method, Player, Turn
from cxrfair.methods._network import Network
from cxrfair.ranges import Between

BIASED = "biased"


class LffConfig(Section):
    """Settings, from `methods.lff` of params.yaml."""

    q: Annotated[
        float,
        Between(0.07, 1),
        Field(
            gt=0,
            le=1,
            description="how far the biased network prefers what is right; near 0 not at all",
        ),
    ]
    memory: Annotated[
        float,
        Between(0.07, 0.97),
        Field(ge=0, lt=1, description="share of its old value in an image's running loss"),
    ]


class Lff(Method[LffConfig]):
    """Learn most from what a network that prefers easy cues gets wrong, blind to groups.

    Two networks are trained side by side. The biased one learns most from what it gets right
    already, and so takes to shortcuts; images that it gets wrong weigh more in the loss of the
    other, which is deployed.

    Formula
    -------
    The biased network minimises the mean of (1 - p_y^q) / q, p_y the score of an image's class; the
    deployed one the mean of W times cross entropy, W = l_b / (l_b + l_d). l_b and l_d are running
    averages (a share `memory` of the old value is kept) of the cross entropies of the biased and
    of the deployed network on this image, each divided by the largest among training images of its
    class. A first loss is taken as it is.

    Fails when
    ----------
    The disease is as easy as the shortcut, or labels are wrong: what the biased network then gets
    wrong is hard or mislabelled, not free of the shortcut, and it is that which weighs most. A
    training takes two networks' time and memory. A class of few images hangs on the one with the
    largest loss.

    Here
    ----
    The biased network is a copy of the deployed one with a head of its own: where weights are not
    pretrained, both backbones start from the same draw. Every label is a task of its own, with its
    own W; an image's loss is the mean over the labels it has. A label learnt with its doubt mixes
    the losses of both classes, and such labels are a class of their own in dividing. An image drawn
    twice for a batch counts once, with the mean of its losses.
    """

    source = "Nam et al. 2020, arXiv:2007.02561, Algorithm 1, equations 1 and 3"
    provenance = (
        "running losses of training images, in training mode and as augmented, in every step"
    )
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
        yield Turn(over_images(generalised(easy, target, self.config.q), target), BIASED)
        losses = entropy(gather(self.net(batch.image)), target)
        both = torch.stack([entropy(easy, target), losses]).detach()
        if self.training:
            self._remember(both, target, index)
        yield Turn(over_images(self._weight(target, index) * losses, target))

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


METHOD = Lff
