"""State of a training run between epochs: tensors in safetensors, the rest in JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cxrfair.files import whole


@dataclass
class Progress:
    """What a run knows beside its weights: epochs done, the curves, the best epoch so far."""

    epoch: int = 0
    history: list[tuple[int, str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = float("-inf")
    best: dict[str, Tensor] = field(default_factory=dict)


def save(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write everything a run needs to go on, whole or not at all."""
    state = optimiser.state_dict()
    tensors = {f"module/{k}": v for k, v in module.state_dict().items()}
    tensors |= {f"best/{k}": v for k, v in progress.best.items()}
    for index, values in state["state"].items():
        tensors |= {f"optimiser/{index}/{k}": torch.as_tensor(v) for k, v in values.items()}
    meta = {
        "epoch": progress.epoch,
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "best_score": progress.best_score,
        "param_groups": state["param_groups"],
    }
    with whole(path) as part:
        copied = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        save_file(copied, part, {"cxrfair": json.dumps(meta)})


def load(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device
) -> Progress:
    """Put a saved run back into `module` and `optimiser`; no file is a run that has not begun."""
    if not path.is_file():
        return Progress()
    with safe_open(path, "pt", device=str(device)) as file:
        meta = json.loads(file.metadata()["cxrfair"])
        keys = file.keys()
        tensors = {key: file.get_tensor(key) for key in keys}
    module.load_state_dict(_under("module", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser", tensors).items():
        index, name = key.split("/", 1)
        moments.setdefault(int(index), {})[name] = value
    # Adam keeps its step counts on the CPU whatever the device.
    for values in moments.values():
        values["step"] = values["step"].cpu()
    optimiser.load_state_dict({"state": moments, "param_groups": meta["param_groups"]})
    return _progress(meta, {k: v.cpu() for k, v in _under("best", tensors).items()})


def _progress(meta: Mapping[str, Any], best: dict[str, Tensor]) -> Progress:
    history = [(int(e), str(n), float(v)) for e, n, v in meta["history"]]
    return Progress(meta["epoch"], history, meta["best_epoch"], meta["best_score"], best)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}
