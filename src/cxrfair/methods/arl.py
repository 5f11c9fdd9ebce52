"""Adversarially reweighted learning."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from cxrfair.distributed import gather
from cxrfair.methods._adversary import (
    ADVERSARY,
    Contest,
    RivalConfig,
    centred,
    gathered_bce,
)
from cxrfair.methods._method import Batch, Groups, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Between


class ArlConfig(RivalConfig):
    """Settings, from `methods.arl` of params.yaml."""

    pretrain_steps: Annotated[
        NonNegativeInt,
        Between(25, 500, log=True),
        Field(description="steps of plain training before the adversary joins"),
    ]


class Arl(Contest[ArlConfig]):
    """Let an adversary find the images that are learnt badly, blind to groups.

    The network learns alone for a number of steps. Then an adversary gives every image a weight, by
    its features and true labels, so as to raise the loss, while the network lowers it: what is
    learnt badly, and can be found by features and labels, counts more.

    Formula
    -------
    The learner minimises J = mean(w l), the adversary maximises it; w_i = 1 + s_i / mean(s), the
    paper's lambda; s_i = sigmoid(v [f_i, y_i] + c). l_i is an image's mean binary cross entropy,
    f_i its pooled features, y_i its labels, v and c the adversary. Before `pretrain_steps` the
    loss is mean(l).

    Fails when
    ----------
    What is learnt badly need not be a group: wrong labels and unreadable images have large losses
    too, and the adversary gives them weight. It finds a group only as far as features and labels
    tell it. It never joins a training shorter than `pretrain_steps`, which then is that of `erm`.
    From the step at which it joins w averages 2, so that curves of the loss jump and the steps of
    an optimiser without normalisation (sgd) grow.

    Here
    ----
    With many labels the adversary sees all of them; a missing one as 0.5, neither there nor not.
    Images without any label have no weight and are not in mean(s). The features are detached: the
    adversary never moves the network. Both players move from one forward pass, the adversary at its
    own rate. Groups are never read: one, many or absent ones are all the same.
    """

    source = "Lahoti et al. 2020, arXiv:2006.13114, section 3"
    provenance = "weights: training split, each step's own pass (training mode, augmented)"
    config_type = ArlConfig
    step: Tensor  # (), steps made

    def __init__(
        self, net: Network, groups: Groups, config: ArlConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.adversary = nn.Linear(net.width + net.head.out_features, 1)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner and, once it has had its head start, the adversary."""
        made = self.net.represent(batch.image)
        losses, present = gathered_bce(made.logit, batch.target)
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
        with torch.autocast(pooled.device.type, enabled=False):
            score: Tensor = self.adversary(torch.cat([pooled.float(), centred(target)], 1))
        return torch.sigmoid(score.squeeze(1))


METHOD = Arl
