"""Adversarial debiasing by projected gradients."""

from collections.abc import Iterator, Sequence

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import average, gather
from cxrfair.methods._method import (
    LEARNER,
    Batch,
    Groups,
    Method,
    Player,
    Turn,
    masked_bce,
    mean_over,
)
from cxrfair.methods._network import Network

ADVERSARY = "adversary"


class AdConfig(Section):
    """Settings, from `methods.ad` of params.yaml."""

    alpha: NonNegativeFloat  # how hard the learner works against the adversary
    odds: bool  # the adversary knows the labels too: equalised odds instead of parity
    rate: PositiveFloat  # learning rate of the adversary, times that of `train`


class Adversary(nn.Module):
    """Guess the group from the logits z of the labels, and from the labels y where it may see them.

    W s + b with s = sigmoid((1 + |c|) z), or W [s, s y, s (1 - y)] + b: that of the paper's
    experiment on UCI Adult, with one c for each label and a softmax over any number of groups.
    Nothing is guessed from a label that is missing.
    """

    def __init__(self, labels: int, groups: int, odds: bool) -> None:
        super().__init__()
        self.odds = odds
        self.slope = nn.Parameter(torch.ones(labels))  # c; from 0 the gradient of |c| is 0
        self.guess = nn.Linear(labels * (3 if odds else 1), groups)

    def forward(self, logit: Tensor, target: Tensor) -> Tensor:
        """Return logits (n, g) of the groups from logits and targets (n, k) of the labels."""
        known, label = ~torch.isnan(target), torch.nan_to_num(target)
        score = torch.sigmoid((1 + self.slope.abs()) * logit) * known
        seen = [score, score * label, score * (1 - label)] if self.odds else [score]
        guess: Tensor = self.guess(torch.cat(seen, 1))
        return guess


class Ad(Method[AdConfig]):
    """Keep an adversary from telling the group by the scores.

    The adversary minimises L_A, its cross entropy. The learner moves against
    g = grad L_P - proj_{grad L_A} grad L_P - alpha grad L_A: what helps the adversary is taken out
    of its own gradient, then worked against. Both gradients are over all of the network's
    parameters at once, and of the whole batch before they are projected. Both players move from the
    same forward pass. With one group L_A and its gradient are 0, and nothing but L_P is left.
    """

    source = "Zhang, Lemoine & Mitchell 2018, arXiv:1801.07593, equation 1"
    uses_groups = True
    config_type = AdConfig

    def __init__(
        self, net: Network, groups: Groups, config: AdConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.adversary = Adversary(net.head.out_features, len(groups.names), config.odds)

    def players(self) -> dict[str, Player]:
        """Return the network, and the adversary at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            ADVERSARY: Player(tuple(self.adversary.parameters()), self.config.rate),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner, then the adversary."""
        logit = self.net(batch.image)
        losses, present = masked_bce(logit, batch.target)
        present = gather(present)
        loss = mean_over(gather(losses), present)
        told = mean_over(gather(self._told(logit, batch)), present)
        yield Turn(self._opposed(loss, told), reported=loss)
        yield Turn(mean_over(gather(self._told(logit.detach(), batch)), present), ADVERSARY)

    def _told(self, logit: Tensor, batch: Batch) -> Tensor:
        """Return the adversary's loss (n,) in float32."""
        with torch.autocast(logit.device.type, enabled=False):
            guess = self.adversary(logit.float(), batch.target)
            return functional.cross_entropy(guess, batch.group, reduction="none")

    def _opposed(self, loss: Tensor, told: Tensor) -> Tensor:
        """Return a number whose gradient is g: the sum of parameters times g."""
        own = [p for p in self.net.parameters() if p.requires_grad]
        ahead, along = _gradient(loss, own), _gradient(told, own)
        average([*ahead, *along])
        share = _dot(ahead, along) / _dot(along, along).clamp(min=torch.finfo(torch.float32).tiny)
        move = [a - (share + self.config.alpha) * b for a, b in zip(ahead, along, strict=True)]
        return _dot(own, move)


def _gradient(loss: Tensor, own: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient, tensor by tensor, and leave the graph for the next one."""
    found = torch.autograd.grad(
        loss, own, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return [each.clone() for each in found]  # memory of their own: `average` writes into it


def _dot(some: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(some, others, strict=True)]).sum()


METHOD = Ad
