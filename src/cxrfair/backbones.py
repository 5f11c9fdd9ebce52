"""Networks by name, with one interface: timm's over pictures, and `mlp` over vectors.

Any timm name may be given whose feature map (or patch tokens) is as wide as what its classifier
reads: ResNet, DenseNet, ViT, ConvNeXt, Swin and most others; the rest are refused when built. Two
of timm's own test networks do for a CPU at the demo scale, 64 px: `test_resnet` (0.4 million
weights, 2 x 2 cells) and `test_vit` (0.3 million, 4 x 4 patches).
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, field_validator

from cxrfair.config import Section
from cxrfair.picture_network import TimmNetwork, shape_of
from cxrfair.pretrained import GREY, NONE, BackboneError, create
from cxrfair.pretrained import origin as timm_origin
from cxrfair.vector_network import MLP, MlpConfig, VectorNetwork

__all__ = [
    "BackboneError",
    "Card",
    "Form",
    "MlpConfig",
    "TimmNetwork",
    "VectorNetwork",
    "build",
    "compile_body",
    "origin",
]


class Card(Section):
    """What it takes to build a trained network again; lies beside its weights as model.json.

    `origin` says where the first weights came from; `measure` selected the epoch that was kept;
    `early_epoch` is the one kept for methods that need an early network; `epochs` were trained.
    `settings` are the method's, those a search chose among them; `groups` the attributes and labels
    whose cells it was told of; `text` the encoder of the labels' names, where a method reads them.
    `size` is the side of a picture in pixels, or how many numbers a vector has; `mlp` the layers
    over vectors, None where the network reads pictures; `output_stride` is `stride` of
    its `Form`.
    `batch_statistics`, `provenance` and
    `source` are what the method says of itself.
    """

    backbone: str
    pretrained: str
    origin: str
    channels: Literal[1, 3]
    labels: tuple[str, ...] = Field(min_length=1)
    size: int
    method: str
    settings: dict[str, Any]
    groups: tuple[str, ...]
    text: str = "none"
    batch_statistics: str
    provenance: str
    source: str
    measure: str
    selected_epoch: int
    early_epoch: int
    epochs: int
    mlp: MlpConfig | None = None
    output_stride: int | None = None

    @field_validator("pretrained")
    @classmethod
    def _without_folder(cls, value: str) -> str:
        return Path(value).name  # a card is passed on; the folders of a machine are not


class Form(NamedTuple):
    """What a network's name does not say.

    `mlp` are the layers over vectors, where the inputs are vectors; None where they are pictures.
    `stride` is the number of pixels from one cell of the final map to the next, for networks that
    timm can dilate (ResNets and others, not ViTs): 8, 16 or 32; None: as the network is.
    """

    mlp: MlpConfig | None = None
    stride: int | None = None


AS_IT_IS = Form()


def build(
    name: str,
    pretrained: str,
    n_labels: int,
    size: int,
    channels: int = GREY,
    form: Form = AS_IT_IS,
) -> TimmNetwork | VectorNetwork:
    """Build a network for square pictures of `size` pixels, or for vectors of `size` numbers.

    Parameters
    ----------
    name
        As timm calls it, with or without a tag for the weights (`resnet18.a1_in1k`); or `mlp`.
    pretrained
        `none`, `hub` (weights by timm's own name, downloaded), or a safetensors file as the hub
        holds it; number of channels, classifier and position embeddings are adapted as timm does.
        Nothing falls back to another of the three.
    channels
        1: first filters summed over colours, grey normalised with the mean of the colours'
        statistics. 3: grey in all three, each normalised with its own. Vectors have none.
    form
        The layers over vectors, and how fine the final map is.

    Raises
    ------
    BackboneError
        If the network does not read such inputs; if timm has no such model, it does not work at
        this size or has no common width, or the weights cannot be had or are not all and only those
        of this model.
    """
    if form.mlp is not None:
        _refuse_for_vectors(name, pretrained)
        return VectorNetwork(size, n_labels, form.mlp)
    if name == MLP:
        raise BackboneError(
            f"train.backbone: {MLP} reads vectors and these are pictures; allowed: timm's names, "
            "or a study with `inputs: embeddings`"
        )
    body = create(name, pretrained, size, channels, form.stride)
    width, grid = shape_of(body, f"{name} at {size} px", (channels, size))
    return TimmNetwork(body, width, grid, n_labels, channels)


def origin(name: str, pretrained: str) -> str:
    """Say where a network's first weights come from; see `cxrfair.pretrained.origin`."""
    if name == MLP:
        _refuse_for_vectors(name, pretrained)
        return "none (random)"
    return timm_origin(name, pretrained)


def compile_body(network: TimmNetwork | VectorNetwork) -> None:
    """Compile the expensive part; weights keep their names, and `draw` stays uncompiled.

    What is compiled takes the body as an argument, so a copy of the network runs its own weights.
    """
    network.trunk = torch.compile(network.trunk)


def _refuse_for_vectors(name: str, pretrained: str) -> None:
    """Say before anything is built that vectors need a network of their own, not trained before."""
    if name != MLP:
        raise BackboneError(
            f"train.backbone: {name} reads pictures and these are vectors; allowed: {MLP}"
        )
    if pretrained != NONE:
        raise BackboneError(
            f"train.pretrained: {pretrained!r}; for {MLP} nobody has weights; allowed: {NONE}"
        )
