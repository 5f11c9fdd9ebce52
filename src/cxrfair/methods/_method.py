"""What a training method is."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrfair import plugins
from cxrfair.config import Section

C = TypeVar("C", bound=Section)


@dataclass(frozen=True)
class Batch:
    """One step's data.

    `image` (n, 1, h, w) in [0, 1]; `target` (n, k) in {0, 1}, between for a label learnt with its
    doubt, NaN where the label is missing; `group` (n,) in [0, g).
    """

    image: Tensor
    target: Tensor
    group: Tensor


@dataclass(frozen=True)
class Groups:
    """The training groups: names and image counts, in index order."""

    names: tuple[str, ...]
    counts: tuple[int, ...]


class NoConfig(Section):
    """No settings of its own."""


class Method(nn.Module, Generic[C]):
    """How a network is pushed towards its targets; the base class is plain risk minimisation."""

    source: ClassVar[str]
    uses_groups: ClassVar[bool] = False
    config_type: ClassVar[type[Section]] = NoConfig

    def __init__(self, net: nn.Module, groups: Groups, config: C) -> None:
        super().__init__()
        self.net, self.groups, self.config = net, groups, config

    def forward(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss to minimise, shape (), and numbers worth logging."""
        losses, present = masked_bce(self.net(batch.image), batch.target)
        loss = self.objective(losses[present], batch.group[present])
        return loss, {"loss": float(loss.detach())}

    def objective(self, losses: Tensor, group: Tensor) -> Tensor:
        """Fold per-image losses (n,) into one; override this in most methods."""
        del group
        return losses.mean() if len(losses) else losses.sum()


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> type[Method[Any]]:
    """Return the method defined in the file of that name."""
    method: type[Method[Any]] = plugins.find(sys.modules[__package__], name).METHOD
    return method


def masked_bce(logit: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Average binary cross entropy over the labels an image has.

    Returns
    -------
    tuple
        Losses (n,), 0 for an image without any label, and presence (n,): False for those.
    """
    known = ~torch.isnan(target)
    filled = torch.where(known, target, torch.zeros_like(target))
    each = functional.binary_cross_entropy_with_logits(logit, filled, reduction="none") * known
    return each.sum(1) / known.sum(1).clamp(min=1), known.any(1)


def mean_per_group(losses: Tensor, group: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Average losses (n,) within each group: means (g,), 0 where absent, and presence (g,)."""
    size = torch.zeros(count, device=losses.device).index_add_(0, group, torch.ones_like(losses))
    total = torch.zeros(count, device=losses.device).index_add_(0, group, losses)
    return total / size.clamp(min=1), size > 0
