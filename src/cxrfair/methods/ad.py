"""Adversarial debiasing by projected gradients."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from cxrfair.distributed import average
from cxrfair.methods._adversary import (
    ADVERSARY,
    Contest,
    OpposedConfig,
    gathered_bce,
    group_doubt,
)
from cxrfair.methods._method import Batch, Groups, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Among


class AdConfig(OpposedConfig):
    """Settings, from `methods.ad` of params.yaml."""

    odds: Annotated[
        bool,
        Among((False, True)),
        Field(description="the adversary knows the labels too: equalised odds instead of parity"),
    ]


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


class Ad(Contest[AdConfig]):
    """Keep an adversary from telling the group by the scores.

    An adversary learns to guess the group of an image from its scores, and from its true labels
    where equalised odds are asked for. Whatever part of the network's own step would help the
    adversary is taken out of it, and a step against the adversary is added.

    Formula
    -------
    The network moves against g = grad L_P - proj_{grad L_A} grad L_P - alpha grad L_A, where
    proj_v u = v (u . v) / (v . v); the adversary minimises L_A = mean over images of CE(a, h).
    L_P is the mean binary cross entropy, a the group, h = softmax(W [s, s y, s (1 - y)] + b) with
    s = sigmoid((1 + |c|) z), z the logits and y the labels; without `odds` h = softmax(W s + b).
    Both gradients are over all of the network's parameters at once.

    Fails when
    ----------
    The step is no gradient of any loss: near a good fit grad L_P is small and alpha grad L_A is
    what moves the network, so that training may wander or diverge; the paper lets alpha and the
    learning rate change over time. With `odds` off the network is pushed to parity even where
    groups differ in how common a finding is, at the price of accuracy. The adversary is linear in
    each label's score: what only a stronger one could tell stays.

    Here
    ----
    With many labels the adversary sees all scores, with one c for each label; from a label that is
    missing nothing is guessed. Any number of groups, by a softmax instead of the paper's sigmoid:
    with one L_A and its gradient are 0, and nothing but L_P is left; one that is absent from a
    batch is not learnt from. Gradients are of the whole batch (of all processes, of each part that
    `accumulate` makes) before they are projected. Both players move from one forward pass, the
    adversary at its own rate.
    """

    source = "Zhang, Lemoine & Mitchell 2018, arXiv:1801.07593, equation 1"
    uses_groups = True
    config_type = AdConfig

    def __init__(
        self, net: Network, groups: Groups, config: AdConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.adversary = Adversary(net.head.out_features, len(groups.names), config.odds)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner, then the adversary."""
        logit = self.net(batch.image)
        losses, present = gathered_bce(logit, batch.target)
        loss = mean_over(losses, present)
        told = group_doubt(self.adversary, (logit, batch.target), batch.group)
        yield Turn(self._opposed(loss, mean_over(told, present)), reported=loss)
        told = group_doubt(self.adversary, (logit.detach(), batch.target), batch.group)
        yield Turn(mean_over(told, present), ADVERSARY)

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
