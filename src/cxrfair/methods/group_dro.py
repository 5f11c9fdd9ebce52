"""Group distributionally robust optimisation."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cxrfair.config import Section
from cxrfair.methods._method import Groups, Method, mean_per_group
from cxrfair.methods._network import Network
from cxrfair.ranges import Between


class GroupDroConfig(Section):
    """Settings, from `methods.group_dro` of params.yaml."""

    # The paper has 0.01; Zhang et al. 2022 (arXiv:2203.12609) swept 0.01 to 1.
    step_size: Annotated[
        float,
        Between(0.001, 1, log=True),
        Field(gt=0, description="how fast the weights of groups move (eta)"),
    ]


class GroupDro(Method[GroupDroConfig]):
    """Learn for the group that is learnt worst.

    Each group has a weight that grows exponentially with its loss, and the loss is the weighted
    mean of the groups' losses. In the long run the worst group decides; how far that is so early on
    is a matter of the step size.

    Formula
    -------
    q_g <- q_g exp(eta L_g) for the groups in the batch, then q <- q / sum q
    loss = sum_g q_g L_g

    L_g is the mean cross entropy of the images of group g in the batch, eta the step size; every q
    starts at 1 over the number of groups.

    Fails when
    ----------
    A group's loss is high because it cannot be lower (rare or noisy labels, an overlap of both):
    its weight grows without end and the others are neglected. A group that is nearly always absent
    from batches hardly moves its weight, so that small groups want balanced sampling; and a network
    that fits its training images perfectly has no worst group left, which calls for weight decay or
    early stopping.

    Here
    ----
    Groups are what `groups` of the variant names. That may be labels too: of a binary task the
    paper's groups are y x a (name the label and the attribute); with many labels that would be too
    many cells, and groups are a, each image's loss being the mean over the labels it has. A group
    absent from a batch keeps its weight (up to renormalisation) and adds nothing to the loss.
    Weights move in training only, once for each part that a batch is computed in.
    """

    source = "Sagawa et al. 2020, arXiv:1911.08731, Algorithm 1"
    uses_groups = True
    config_type = GroupDroConfig
    weight: Tensor  # (g,), sums to 1

    def __init__(
        self,
        net: Network,
        groups: Groups,
        config: GroupDroConfig,
        upstream: Network | None = None,
    ) -> None:
        super().__init__(net, groups, config, upstream)
        count = len(groups.names)
        self.register_buffer("weight", torch.full((count,), 1 / count))

    def objective(self, losses: Tensor, group: Tensor) -> Tensor:
        """Raise the weight of lossy groups (the update of q), then take the weighted loss."""
        means, present = mean_per_group(losses, group, len(self.groups.names))
        if self.training:
            raised = self.weight * torch.exp(self.config.step_size * means.detach() * present)
            self.weight = raised / raised.sum()
        return (self.weight * means).sum()


METHOD = GroupDro
