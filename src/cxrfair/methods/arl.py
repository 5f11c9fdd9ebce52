"""Adversarially reweighted learning."""

from collections.abc import Iterator

import torch
from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor, nn

from cxrfair.config import Section
from cxrfair.distributed import gather
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


class ArlConfig(Section):
    """Settings, from `methods.arl` of params.yaml."""

    pretrain_steps: NonNegativeInt  # steps of plain training before the adversary joins
    rate: PositiveFloat  # learning rate of the adversary, times that of `train`


class Arl(Method[ArlConfig]):
    """Let an adversary find the images that are learnt badly, blind to groups.

    s_i = sigmoid(linear(features of i, y_i)) and w_i = 1 + s_i / mean(s), the paper's lambda;
    the learner minimises mean(w l), the adversary maximises it, both in every step and from the
    same forward pass. The features are detached: the adversary never moves the network. It sees a
    missing label as 0.5, neither there nor not. Before `pretrain_steps` the loss is mean(l); from
    then on w averages 2, so that the loss is on another scale.
    """

    source = "Lahoti et al. 2020, arXiv:2006.13114, section 3"
    config_type = ArlConfig
    step: Tensor  # (), steps made

    def __init__(
        self, net: Network, groups: Groups, config: ArlConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.adversary = nn.Linear(net.width + net.head.out_features, 1)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def players(self) -> dict[str, Player]:
        """Return the network, and the adversary at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            ADVERSARY: Player(tuple(self.adversary.parameters()), self.config.rate),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner and, once it has had its head start, the adversary."""
        made = self.net.represent(batch.image)
        losses, present = masked_bce(made.logit, batch.target)
        losses, present = gather(losses), gather(present)
        steps = int(self.step)
        if steps < self.config.pretrain_steps:
            yield Turn(mean_over(losses, present))
        else:
            score = gather(self._score(made.pooled.detach(), batch.target))
            weight = 1 + score / mean_over(score, present).clamp(min=1e-8)
            yield Turn(mean_over(weight.detach() * losses, present))
            yield Turn(-mean_over(weight * losses.detach(), present), ADVERSARY)
        if self.training:
            # Set, not raised by one: the parts of one batch begin and end together.
            self.step.fill_(steps + 1)

    def _score(self, pooled: Tensor, target: Tensor) -> Tensor:
        """Return s (n,) in float32."""
        # Measured from 0.5, so that a missing label is 0; the bias takes the difference.
        label = torch.nan_to_num(target - 0.5, nan=0.0)
        with torch.autocast(pooled.device.type, enabled=False):
            score: Tensor = self.adversary(torch.cat([pooled.float(), label], 1))
        return torch.sigmoid(score.squeeze(1))


METHOD = Arl
