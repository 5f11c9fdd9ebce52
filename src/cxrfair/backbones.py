"""Image networks by timm name, with one interface; the only importer of timm."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cxrfair import torchvision_ops
from cxrfair.config import Section
from cxrfair.errors import CxrfairError

torchvision_ops.declare_if_missing()

import timm  # noqa: E402 - torchvision, which timm imports, needs the line above


class BackboneError(CxrfairError):
    """A network cannot be built as asked."""


class Card(Section):
    """What it takes to build a trained network again; lies beside its weights as model.json."""

    backbone: str
    pretrained: str
    labels: tuple[str, ...] = Field(min_length=1)
    size: int
    method: str
    selected_epoch: int


class Network(nn.Module):
    """A timm backbone over grey images in [0, 1], with one logit a label.

    `tokens` (n, p, d) are a ViT's patches or the cells of a final feature map; `features` (n, d)
    are pooled; the head is linear.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, body: nn.Module, n_labels: int) -> None:
        super().__init__()
        self.body = body
        width: Any = body.num_features
        self.head = nn.Linear(int(width), n_labels)
        settings: Any = body.pretrained_cfg
        # One grey channel stands for three equal ones: it takes their mean statistics.
        self.register_buffer("mean", torch.tensor(float(sum(settings["mean"])) / 3), False)
        self.register_buffer("sd", torch.tensor(float(sum(settings["std"])) / 3), False)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, k) of images (n, 1, h, w)."""
        logits: Tensor = self.head(self.features(image))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """Return pooled features (n, d)."""
        body: Any = self.body
        pooled: Tensor = body.forward_head(self._maps(image), pre_logits=True)
        return pooled

    def tokens(self, image: Tensor) -> Tensor:
        """Return local features (n, p, d): patch tokens, or a feature map's cells."""
        maps = self._maps(image)
        if maps.ndim == 4:
            return maps.flatten(2).transpose(1, 2)
        prefix: Any = getattr(self.body, "num_prefix_tokens", 0)
        return maps[:, int(prefix) :]

    def _maps(self, image: Tensor) -> Tensor:
        body: Any = self.body
        maps: Tensor = body.forward_features((image - self.mean) / self.sd)
        return maps


def build(name: str, pretrained: str, n_labels: int, size: int) -> Network:
    """Build a one-channel network.

    `pretrained` is `none`, `hub` (weights by timm's own name, downloaded) or a path to weights in
    safetensors; nothing falls back to another of the three.

    Raises
    ------
    BackboneError
        If timm has no such model, or the weights cannot be had.
    """
    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), 5))
        raise BackboneError(f"train.backbone: timm has no {name!r}; near it: {near or 'none'}")
    sized = timm.get_pretrained_cfg(name)
    extra = {"img_size": size} if sized is not None and sized.fixed_input_size else {}
    body = _body(name, pretrained, extra)
    return Network(body, n_labels)


def _body(name: str, pretrained: str, extra: dict[str, int]) -> nn.Module:
    """Create the timm model without a classifier and load its weights."""
    try:
        body: nn.Module = timm.create_model(
            name, pretrained=pretrained == "hub", in_chans=1, num_classes=0, **extra
        )
        if pretrained not in {"none", "hub"}:
            body.load_state_dict(load_file(Path(pretrained)))
    except (OSError, RuntimeError, ValueError, AssertionError, SafetensorError) as error:
        raise BackboneError(f"train.pretrained: {name} from {pretrained!r}: {error}") from error
    return body
