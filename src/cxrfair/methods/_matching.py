"""Cells of a batch, one per label, class and group, held against the whole class."""

from collections.abc import Iterator
from typing import Annotated, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._method import Batch, Method, Turn, masked_bce, mean_over
from cxrfair.methods._network import Representation
from cxrfair.ranges import Between

WIDTHS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)  # gamma of the kernels that are averaged


class MatchConfig(Section):
    """Settings of a method that matches cells."""

    # Zhang et al. 2022 (arXiv:2203.12609) swept 0.1 to 100 beside a loss summed over two or more
    # groups, here a mean.
    weight: Annotated[
        float,
        Between(0.02, 50, log=True),
        Field(ge=0, description="weight lambda of what cells differ by, beside the loss"),
    ]


M = TypeVar("M", bound=MatchConfig)


class Matching(Method[M]):
    """Minimise l + weight times what the cells of a batch differ by from their class."""

    def matched(self, made: Representation) -> Tensor:
        """Return what is matched: of each label (n, k), or of all labels alike (n, d)."""
        raise NotImplementedError

    def differ(self, values: Tensor, weight: Tensor) -> Tensor:
        """Sum over cells, (), what values differ by; `weight` (k, c, n) as of `contrasts`."""
        raise NotImplementedError

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network; what is matched is that of the whole batch."""
        made = self.net.represent(batch.image)
        logit, values = gather(made.logit), gather(self.matched(made))
        target, group = gather(batch.target), gather(batch.group)
        # Half precision would round differences of cells away.
        with torch.autocast(logit.device.type, enabled=False):
            loss = mean_over(*masked_bce(logit, target))
            weight = contrasts(target, group, len(self.groups.names))
            apart = self.differ(values, weight) / len(weight)
        yield Turn(loss + self.config.weight * apart, numbers={"mismatch": apart.detach()})


def contrasts(target: Tensor, group: Tensor, groups: int) -> Tensor:
    """Return weights that turn values of n images into a cell's mean less that of its class.

    Parameters
    ----------
    target
        Shape (n, k). Only images with exactly 0 or 1 are in a cell.
    group
        Shape (n,), in [0, `groups`).
    groups
        Their number g.

    Returns
    -------
    Tensor
        Shape (k, 2 g, n), float32: of each cell 1_gy / n_gy - 1_y / n_y, which sums to 0; all 0
        for a cell without any image.
    """
    label = torch.stack([target == 0, target == 1]).permute(2, 0, 1).unsqueeze(2)
    member = group == torch.arange(groups, device=group.device).unsqueeze(1)
    cell = label & member
    weight = (_share(cell) - _share(label)) * cell.any(-1, keepdim=True)
    return weight.flatten(1, 2)


def _share(chosen: Tensor) -> Tensor:
    """Return an equal share for each of those chosen along the last axis, summing to 1."""
    return chosen / chosen.sum(-1, keepdim=True).clamp(min=1)


def mmd_squared(squared: Tensor, weight: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy w' K w of each cell, the V-statistic.

    K = mean over `WIDTHS` of exp(-gamma d^2), one matrix for each label whatever the number of
    cells (Gretton et al. 2012, JMLR 13, equation 5). It is biased: at least 0 (but for rounding),
    and defined for a cell of one image.

    Parameters
    ----------
    squared
        Squared distances d^2 between images, shape (k, n, n), or (1, n, n) for all labels alike.
    weight
        Shape (k, c, n), as of `contrasts`.

    Returns
    -------
    Tensor
        Shape (k, c); 0 for a cell without any image.
    """
    kernel = torch.stack([torch.exp(-width * squared) for width in WIDTHS]).mean(0)
    return ((weight @ kernel) * weight).sum(-1)


def apart_by_label(values: Tensor) -> Tensor:
    """Return squared distances (k, n, n) between images in each column of values (n, k)."""
    column = values.T
    return (column.unsqueeze(2) - column.unsqueeze(1)).square()


def apart(values: Tensor) -> Tensor:
    """Return squared distances (1, n, n) between the rows of values (n, d).

    From inner products, which need no (n, n, d); in double precision, because the narrowest kernel
    sees differences of 1e-3, and without a root, whose gradient at 0 is not finite.
    """
    exact = values.double()
    product = exact @ exact.T
    norm = product.diagonal()
    squared = norm.unsqueeze(1) + norm - 2 * product
    return squared.float().unsqueeze(0)
