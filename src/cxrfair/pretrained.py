"""Networks of timm without their classifiers, and where their first weights come from.

The only importer of timm.
"""

import hashlib
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from cxrfair import torchvision_ops
from cxrfair.errors import CxrfairError

torchvision_ops.declare_if_missing()

import timm  # noqa: E402 - torchvision, which timm imports, needs the line above

NONE, HUB = "none", "hub"
GREY = 1
# What timm and torch raise when a network or its weights do not fit; OSError: no file, no hub.
REFUSALS = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError)


class BackboneError(CxrfairError):
    """A network cannot be built, or cannot be asked for what it is asked."""


def create(
    name: str, pretrained: str, size: int, channels: int, stride: int | None = None
) -> nn.Module:
    """Create a timm model without a classifier and load its weights.

    See `cxrfair.backbones.build` for the parameters.

    Raises
    ------
    BackboneError
        If there is no such model or file, or the weights are not all and only those of the model.
    """
    known = _known(name)
    if channels not in {GREY, 3}:
        raise BackboneError(f"train.channels: {channels}; allowed are 1 and 3")
    settings: dict[str, Any] = {"in_chans": channels, "num_classes": 0}
    if known.fixed_input_size:
        settings["img_size"] = size
    if stride is not None:
        settings["output_stride"] = stride
    try:
        if pretrained not in {NONE, HUB}:
            settings["pretrained_cfg_overlay"] = _overlay(known, _file(pretrained))
        body: Any = timm.create_model(name, pretrained=pretrained != NONE, **settings)
    except (*REFUSALS, SafetensorError) as error:
        built = f"train.backbone: {name} at {size} px"
        where = built if pretrained == NONE else f"train.pretrained: {name} from {pretrained!r}"
        raise BackboneError(f"{where}: {brief(error)}") from error
    body.pretrained_cfg.pop("state_dict", None)  # frees the copy that is now in the network
    network: nn.Module = body
    return network


def origin(name: str, pretrained: str) -> str:
    """Say where a network's first weights come from, for every result made with it.

    Returns
    -------
    str
        `none (random)`, `hub: <name or address>`, or `file <name>, sha256 <12 digits>`.

    Raises
    ------
    BackboneError
        If timm has no such model, knows no weights for it, or the file cannot be had.
    """
    known = _known(name)
    if pretrained == NONE:
        return "none (random)"
    if pretrained != HUB:
        path = _file(pretrained)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"file {path.name}, sha256 {digest[:12]}"
    place = known.hf_hub_id or known.url
    if not place:
        raise BackboneError(f"train.pretrained: timm has no hub weights for {name}")
    return f"hub: {place}"


def _known(name: str) -> Any:
    """Look up what timm says of a model's weights and input."""
    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), 5))
        raise BackboneError(f"train.backbone: timm has no {name!r}; near it: {near or 'none'}")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        allowed = ", ".join(timm.list_pretrained(f"{name.partition('.')[0]}.*"))
        raise BackboneError(f"train.backbone: {brief(error)}; allowed are {allowed}") from error


def _overlay(known: Any, path: Path) -> dict[str, Any]:
    """Tell timm to take a file's weights but its classifier: all that is left, and no others."""
    weights = load_file(path)
    for layer in _names(known.classifier):
        weights.pop(f"{layer}.weight", None)
        weights.pop(f"{layer}.bias", None)
    # With as many classes as the network (none), timm loads strictly.
    overlay = {"state_dict": weights, "num_classes": 0, "label_offset": 0}
    first = [weights.get(f"{layer}.weight") for layer in _names(known.first_conv)]
    if any(kernel is not None and kernel.shape[1] == GREY for kernel in first):
        overlay["input_size"] = (GREY, *known.input_size[1:])  # the file's channels, not ours
    return overlay


def _names(layers: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (layers,) if isinstance(layers, str) else layers or ()


def _file(pretrained: str) -> Path:
    path = Path(pretrained)
    if path.suffix != ".safetensors":
        raise BackboneError(
            f"train.pretrained: {pretrained!r}; allowed are none, hub or a .safetensors file"
        )
    if not path.is_file():
        raise BackboneError(f"train.pretrained: there is no file {pretrained!r}")
    return path


def brief(error: Exception) -> str:
    """Say an error of torch or timm on one line; torch names every weight that does not fit."""
    return shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
