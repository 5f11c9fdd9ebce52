"""Batch normalisation when a batch lies in several processes."""

from typing import cast

import torch
from torch import Tensor, nn

from cxrfair.distributed import DistributedError, add_up, world

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_WITH_ACTIVATION = "BatchNormAct2d"  # timm's; by name, because only `backbones` imports timm


def synchronise_norms(module: nn.Module) -> None:
    """Let every batch norm in `module` take its statistics from the whole batch, in place.

    Parameters, buffers and their names stay what they are. Outputs, running statistics and (once
    averaged) gradients are those of one process on the whole batch.

    Raises
    ------
    DistributedError
        A kind of batch norm nobody has said how to share.
    """
    if world().size == 1:
        return
    for name, norm in module.named_modules():
        kind = type(norm)
        if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or kind is SharedBatchNorm:
            continue
        known = kind in _PLAIN or kind.__name__ == _WITH_ACTIVATION
        if not (known and norm.track_running_stats):
            raise DistributedError(
                f"{name or 'network'}: {kind.__name__} cannot be shared by processes; torch's "
                f"BatchNorm or timm's {_WITH_ACTIVATION}, with running statistics, or processes: 1"
            )
        norm.process_group = None  # type: ignore[assignment]  # which torch reads as all
        norm.__class__ = SharedBatchNorm


class SharedBatchNorm(nn.SyncBatchNorm):
    """Batch normalisation over the batch of all processes, and what timm does right after it.

    On a GPU it is torch's own; that refuses a CPU.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (n, c, ...) by statistics of each c over all else, in all processes."""
        if self.training and input.device.type == "cpu" and world().size > 1:
            output = self._on_cpu(input)
        else:
            output = super().forward(input)
        for name in ("drop", "act"):  # of timm's BatchNormAct2d
            output = getattr(self, name, nn.Identity())(output)
        return output

    def _on_cpu(self, image: Tensor) -> Tensor:
        wide = image.to(torch.promote_types(image.dtype, torch.float32))
        others = [0, *range(2, wide.ndim)]
        shape = [1, -1] + [1] * (wide.ndim - 2)
        here = wide.new_tensor([wide.numel() / wide.shape[1]])
        totals = add_up(torch.cat([wide.sum(others), here]))
        count = totals[-1]
        if count < 2:
            raise DistributedError("batch norm: one value per channel in training; two or more")
        mean = totals[:-1] / count
        centred = wide - mean.view(shape)
        variance = add_up(centred.square().sum(others)) / count
        self._remember(mean, variance * count / (count - 1))
        output = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            output = output * self.weight.view(shape) + self.bias.view(shape)
        return output.to(image.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards these."""
        kept = (self.num_batches_tracked, self.running_mean, self.running_var)
        batches, running_mean, running_var = cast(tuple[Tensor, Tensor, Tensor], kept)
        batches.add_(1)
        share = 1 / int(batches) if self.momentum is None else self.momentum
        running_mean.lerp_(mean.to(running_mean.dtype), share)
        running_var.lerp_(variance.to(running_var.dtype), share)
