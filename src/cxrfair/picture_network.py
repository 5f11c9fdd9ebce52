"""Image networks of timm, with one interface."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cxrfair.methods import Network, Representation
from cxrfair.pretrained import GREY, REFUSALS, BackboneError, brief


class TimmNetwork(Network):
    """A timm network without its classifier, over grey images, with one logit a label.

    `tokens` are a ViT's patches (class and register tokens left out), or the cells of a final
    feature map; `pooled` is the network's own pooling of them, its normalisation included.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, body: nn.Module, width: int, grid: tuple[int, int], n_labels: int, channels: int
    ) -> None:
        super().__init__()
        self.body, self.width, self.grid = body, width, grid
        self.head = nn.Linear(width, n_labels)
        mean, sd = _statistics(body, "mean", channels), _statistics(body, "std", channels)
        self.register_buffer("scale", 1 / sd, persistent=False)
        self.register_buffer("shift", -mean / sd, persistent=False)
        self.trunk: Callable[[nn.Module, Tensor], Tensor] = _trunk
        self.last = nn.Identity()  # where the final map passes, so that it can be watched

    def represent(self, image: Tensor) -> Representation:
        """Return tokens, pooled features and logits of images (n, 1, h, w), in one pass.

        Raises
        ------
        BackboneError
            If these are no pictures.
        """
        if image.ndim != 4:
            given = tuple(image.shape)
            raise BackboneError(f"a network for pictures (n, 1, h, w) is given {given}; use mlp")
        maps = self.last(self.trunk(self.body, self.normalise(image)))
        tokens, grid = _cells(self.body, maps)
        pooled = _pool(self.body, maps)
        with torch.autocast(pooled.device.type, enabled=False):
            logit: Tensor = self.head(pooled.float())
        return Representation(tokens, pooled, logit, grid)

    def normalise(self, image: Tensor) -> Tensor:
        """Return what the body reads, (n, c, h, w), of grey images (n, 1, h, w) in [0, 1].

        One pass over the pixels that copies grey into every channel and leaves the result in
        channels-last order, which convolutions want.
        """
        last = torch.addcmul(self.shift, image.permute(0, 2, 3, 1), self.scale)
        return last.permute(0, 3, 1, 2)

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Return which kind of map shows where the network looked, and the maps.

        Nothing of the network changes, and no gradient is kept.

        Returns
        -------
        tuple
            `attention` and maps (n, 1, rows, columns), for a ViT whose head reads the class token:
            how much that token attends to each patch in the last block, averaged over the heads.
            What goes to the class and register tokens is left out and the rest divided by its
            sum, so that a map sums to 1.
            Otherwise `class_activation` and maps (n, k, rows, columns) in logits, before the bias:
            the head on each cell alone (Zhou et al. 2016, eq. 2), after the normalisation that the
            network puts between pooling and head, if any. Where there is none and pooling is the
            mean, the mean over cells plus the head's bias is the logit.

        Raises
        ------
        BackboneError
            In training mode, where drawing would move running statistics; or if the class token's
            attention cannot be seen.
        """
        if self.training:
            raise BackboneError("draw: the network is in training mode; call eval() first")
        with torch.no_grad():
            if self._reads_token():
                return "attention", self._attention(self.normalise(image))
            return "class_activation", self._activation(self.normalise(image))

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the maps: one a label, but for attention, which is of no label."""
        return () if self._reads_token() else labels

    def watched(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """Return the last module whose every cell has a part in the logits, and its layout.

        That is where the final feature map passes; of a ViT whose head reads the class token, from
        which no way leads back to the final patches, the first normalisation of the last block, as
        pytorch_grad_cam advises. Class and register tokens are left out of the layout.

        Raises
        ------
        BackboneError
            If there is a class token and no such normalisation.
        """
        body: Any = self.body
        if not self._reads_token():
            return self.last, self._lay_out
        layer = getattr(body.blocks[-1], "norm1", None) if hasattr(body, "blocks") else None
        if not isinstance(layer, nn.Module):
            kind = type(body).__name__
            raise BackboneError(f"explain: {kind} has no `norm1` in its last block; it is needed")
        return layer, self._lay_out

    def _lay_out(self, maps: Tensor) -> Tensor:
        """Lay maps or tokens out as (n, d, rows, columns)."""
        tokens, (rows, columns) = _cells(self.body, maps)
        return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)

    def _reads_token(self) -> bool:
        """Tell whether the head reads a ViT's class token."""
        return bool(getattr(self.body, "global_pool", "") == "token")

    def _activation(self, image: Tensor) -> Tensor:
        """Let the head read every cell as if it were the whole map."""
        maps = _trunk(self.body, image)
        tokens, (rows, columns) = _cells(self.body, maps)
        cells = tokens.flatten(0, 1)
        if maps.ndim == 3:
            prefix = maps[:, : _prefix(self.body)]
            alone = torch.cat([prefix.repeat_interleave(rows * columns, 0), cells[:, None]], 1)
        else:
            alone = cells[:, None, None] if _channels_last(self.body) else cells[..., None, None]
        logit = nn.functional.linear(_pool(self.body, alone).float(), self.head.weight)
        return logit.view(len(image), rows, columns, -1).permute(0, 3, 1, 2)

    def _attention(self, image: Tensor) -> Tensor:
        """Read the last block's attention where its dropout, which does nothing now, sees it."""
        body: Any = self.body
        layer: Any = getattr(body.blocks[-1], "attn", None) if hasattr(body, "blocks") else None
        if not hasattr(layer, "fused_attn") or not hasattr(layer, "attn_drop"):
            raise BackboneError(f"draw: {type(body).__name__} does not show its attention")
        kept: list[Tensor] = []
        hook = layer.attn_drop.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        fused, layer.fused_attn = layer.fused_attn, False  # the fused kernel keeps no map
        try:
            tokens, (rows, columns) = _cells(body, _trunk(body, image))
        finally:
            layer.fused_attn = fused
            hook.remove()
        prefix = _prefix(body)
        if len(kept) != 1 or kept[0].shape[-2:] != (prefix + tokens.shape[1],) * 2:
            raise BackboneError(f"draw: the last block of {type(body).__name__} has no class token")
        share = kept[0].float().mean(1)[:, 0, prefix:]
        return (share / share.sum(1, keepdim=True)).view(-1, 1, rows, columns)


def shape_of(body: nn.Module, where: str, shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Return width and grid of what a body makes.

    One black image is run through, so that what cannot work is refused.

    `shape` is the image's: channels, and pixels a side.
    """
    channels, size = shape
    body.eval()
    try:
        with torch.no_grad():
            maps = _trunk(body, torch.zeros(1, channels, size, size))
            tokens, (rows, columns) = _cells(body, maps)
            pooled = _pool(body, maps)
    except REFUSALS as error:
        raise BackboneError(
            f"train.backbone: {where}: {brief(error)}; "
            "allowed are networks that end in a map or in patches on a grid"
        ) from error
    body.train()
    given, wanted = tuple(tokens.shape[1:]), (rows * columns, pooled.shape[1])
    if given != wanted:
        raise BackboneError(
            f"train.backbone: {where}: its (cells, features) are {given}, "
            f"but its grid and what its classifier reads are {wanted}; they must be the same"
        )
    return int(pooled.shape[1]), (rows, columns)


def _trunk(body: Any, image: Tensor) -> Tensor:
    """Run everything before pooling."""
    maps: Tensor = body.forward_features(image)
    return maps


def _pool(body: Any, maps: Tensor) -> Tensor:
    pooled: Tensor = body.forward_head(maps, pre_logits=True)
    return pooled


def _cells(body: Any, maps: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Lay maps out as tokens (n, p, d), row by row, with their grid."""
    if maps.ndim == 3:
        rows, columns = body.patch_embed.grid_size
        return maps[:, _prefix(body) :], (rows, columns)
    if _channels_last(body):
        return maps.flatten(1, 2), (maps.shape[1], maps.shape[2])
    return maps.flatten(2).transpose(1, 2), (maps.shape[2], maps.shape[3])


def _prefix(body: Any) -> int:
    """Count the tokens before the patches: class, distillation, registers."""
    return int(getattr(body, "num_prefix_tokens", 0))


def _channels_last(body: Any) -> bool:
    return getattr(body, "output_fmt", "NCHW") == "NHWC"  # Swin, for one


def _statistics(body: Any, key: str, channels: int) -> Tensor:
    """Take the mean or SD of each colour; one grey channel stands for three equal ones."""
    values = torch.tensor(body.pretrained_cfg[key], dtype=torch.float32)
    return values.mean(0, keepdim=True) if channels == GREY else values
