"""Group distributionally robust optimisation."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from cxrfair.config import Section
from cxrfair.methods._method import Groups, Method, mean_per_group
from cxrfair.methods._network import Network


class GroupDroConfig(Section):
    """Settings, from `methods.group_dro` of params.yaml."""

    step_size: PositiveFloat  # eta_q in Algorithm 1


class GroupDro(Method[GroupDroConfig]):
    """Weigh each group by the exponentiated running sum of its loss.

    A group absent from a batch keeps its weight (up to renormalisation) and adds nothing to the
    loss. The weights move in training only.
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
