"""Let torchvision be imported where its compiled extension cannot be loaded.

torchvision's wheels link against CUDA; beside a CPU build of torch the extension fails to load, and
importing torchvision (which timm and transformers do) then fails because it registers shapes for
two operators nobody declared. Declaring the two, without giving them a body, is all it takes;
`torchvision.ops.nms` itself stays unusable in such an install, and this project does not use it.
"""

import ctypes
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

_OPERATORS = ("nms", "qnms")
_kept: list[Any] = []  # torch forgets a declaration with its Library object


def declare_if_missing() -> None:
    """Declare torchvision's operators; do nothing where its own extension loads, or twice."""
    if _kept or _extension_loads():
        return
    make: Any = torch.library.Library  # torch gives it no types
    library = make("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)


def _extension_loads() -> bool:
    """Try to load torchvision's own extension, as torchvision would."""
    spec = find_spec("torchvision")
    folders = (spec.submodule_search_locations or []) if spec else []
    return any(_loads(file) for folder in folders for file in sorted(Path(folder).glob("_C*.so")))


def _loads(extension: Path) -> bool:
    try:
        ctypes.CDLL(str(extension))
    except OSError:
        return False
    return True
