"""Equal opportunity by an augmented Lagrangian."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._method import Batch, Groups, Method, Turn, masked_bce, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Between


class FairAlmConfig(Section):
    """Settings, from `methods.fair_alm` of params.yaml."""

    eta: Annotated[
        float,
        Between(0.001, 0.1, log=True),
        Field(gt=0, description="weight of positives' losses, and step of the multipliers"),
    ]


class FairAlm(Method[FairAlmConfig]):
    """Make the positives of every group equally easy: equal opportunity, as a constraint.

    For each label the mean loss of a group's positives is held against that of the other groups'.
    Each group has a multiplier that grows while its positives are learnt worse and falls while they
    are learnt better, and that weighs their loss: the constraint of equal losses is pursued, where
    a penalty only trades it. Negatives and false positive rates are left alone.

    Formula
    -------
    Of two groups s0 and s1:
    L + (eta/4 + (l0 - l1)/2) L_{y1,s0} + (eta/4 + (l1 - l0)/2) L_{y1,s1}
    then l0 <- (l0 - l1)/2 + eta (L_{y1,s0} - L_{y1,s1})/2, and l1 <- the same with 0 and 1 swapped

    L is the mean cross entropy, L_{y1,s} that of the positives of group s in the batch, l0 and l1
    the multipliers of before the step (so that afterwards l1 = -l0), eta both the weight of the
    positives' losses and the step of the multipliers.

    Fails when
    ----------
    eta is large: it raises the loss of all positives, so that scores rise, calibration goes and
    nearly everybody is called positive; and the multipliers then swing with every batch. They add
    up differences of single batches: with few positives of a group in a batch that is mostly noise
    (balanced sampling helps), and a group's weight may become negative for a while, so that its
    positives are unlearnt. Equal losses of positives are not equal true positive rates at a
    threshold; and false positives may drift apart.

    Here
    ----
    eta stays what it is. The authors' code starts it at 20 (CelebA) or 50 (chest X-rays), raises it
    by 1% an epoch, and moves l1 by the new l0; the range of the search, 0.001 to 0.1, is what Zhang
    et al. 2022 (arXiv:2203.12609) swept for their variant of it on chest X-rays, because the paper
    names no range that we know of. Above two groups each is held against the mean of the others, by
    (g - 1)/g where two have 1/2: with 1/2 multipliers would fade by themselves, and equality not be
    pursued. Every label has multipliers of its own, and the terms are averaged over labels. A group
    without a positive of a label in the batch has no term for it, and its multiplier stays; one
    that is the only one with a positive has nothing to be held against, and is treated alike. With
    one group the loss is plain. A label learnt with its doubt is not a positive. Multipliers move
    in training only, once for each part that a batch is computed in.
    """

    source = "Lokhande et al. 2020, arXiv:2004.01355, Algorithm 2"
    uses_groups = True
    config_type = FairAlmConfig
    multiplier: Tensor  # (g, k), l of each group and label; a label's sum to 0

    def __init__(
        self, net: Network, groups: Groups, config: FairAlmConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        shape = len(groups.names), net.head.out_features
        self.register_buffer("multiplier", torch.zeros(shape))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network by the multipliers of before, then the multipliers."""
        logit, target = gather(self.net(batch.image)), gather(batch.target)
        # Half precision would round counts and differences of means.
        with torch.autocast(logit.device.type, enabled=False):
            loss = mean_over(*masked_bce(logit, target))
            means, compared = self._positives(logit, target, gather(batch.group))
            weight = (self.config.eta / 4 + _centred(self.multiplier)) * compared
            penalty = (weight * means).sum() / target.shape[1]
        yield Turn(loss + penalty, numbers={"penalty": penalty.detach()})
        if self.training:
            self._step(means.detach(), compared)

    def _positives(self, logit: Tensor, target: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Return L_{y1,s} (g, k), and which of them have another one to be compared with."""
        places = torch.arange(len(self.groups.names), device=group.device)
        member = (group == places.unsqueeze(1)).to(logit)
        positive = (target == 1).to(logit)
        count = member @ positive
        means = member @ (positive * functional.softplus(-logit)) / count.clamp(min=1)
        present = count > 0
        return means, present & (present.sum(0) > 1)

    def _step(self, means: Tensor, compared: Tensor) -> None:
        """Move the multipliers of the groups that were compared, all from their old values."""
        others = (means * compared).sum(0) / compared.sum(0).clamp(min=1)
        moved = _centred(self.multiplier) + self.config.eta * (means - others)
        self.multiplier = torch.where(compared, moved, self.multiplier)


def _centred(multiplier: Tensor) -> Tensor:
    """Return each group's multiplier less their mean; of two groups (l0 - l1) / 2 and its minus."""
    return multiplier - multiplier.mean(0)


METHOD = FairAlm
