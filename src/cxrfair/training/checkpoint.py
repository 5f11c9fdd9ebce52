"""State of a training run, also from the middle of an epoch: tensors in safetensors, rest in JSON.

The JSON lies in the file's header, which safetensors limits to 100 MB: about two million numbers of
a history. Random states are not kept: they are made anew from seed, epoch and step.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from cxrfair.errors import CxrfairError
from cxrfair.files import whole

METADATA = "cxrfair"
WEIGHTS = ("best", "early")  # what of Progress is tensors
# How a step is computed on this machine, and what a schedule moves: not what the run is.
FREE = frozenset({"lr", "initial_lr", "foreach", "fused", "capturable", "differentiable"})


@dataclass
class Progress:
    """What a run knows beside its method and optimisers.

    `epoch` counts finished epochs, `step` the steps made in the one under way and `totals` are its
    running sums. `history` holds (epoch, name, value). `best` are the network's weights after
    `best_epoch` with `best_score` (NaN while there is none), `early` those after `early_epoch`;
    both lie on the CPU. `resumed` counts how often the run was taken up again.
    """

    epoch: int = 0
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    history: list[tuple[int, str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = math.nan
    best: dict[str, Tensor] = field(default_factory=dict)
    early_epoch: int = 0
    early: dict[str, Tensor] = field(default_factory=dict)
    resumed: int = 0


def save(
    path: Path, method: nn.Module, optimisers: Mapping[str, Optimizer], progress: Progress
) -> None:
    """Write everything a run needs to go on, whole or not at all, and down to the disk.

    Parameters
    ----------
    optimisers
        By player (of `optimisers.build`). What they remember of a parameter is kept under its name
        in `method`; tensors bit for bit, other values as JSON has them.
    """
    tensors = {f"method/{name}": value for name, value in method.state_dict().items()}
    for part in WEIGHTS:
        tensors |= {f"{part}/{name}": value for name, value in getattr(progress, part).items()}
    described = {}
    for player, optimiser in optimisers.items():
        described[player], moments = _describe(optimiser, method)
        tensors |= {f"optimiser/{player}/{key}": value for key, value in moments.items()}
    meta = {"progress": _numbers(progress), "optimisers": described}
    with whole(path) as part_path:
        save_file(_apart(tensors), part_path, {METADATA: json.dumps(meta)})
        with part_path.open("rb") as file:
            os.fsync(file.fileno())


def load(path: Path, method: nn.Module, optimisers: Mapping[str, Optimizer]) -> Progress:
    """Put a saved run back into `method` and `optimisers`, wherever they live.

    No file is a run that has not begun. Parameters keep their memory order.

    Raises
    ------
    CxrfairError
        If the file is damaged (in its header or its length: the tensors have no checksum), or of
        another run: other names, shapes, players or settings. Nothing has been changed then.
    """
    if not path.is_file():
        return Progress()
    meta, tensors = _read(path)
    weights = _under("method", tensors)
    _refuse_other_method(path, weights, method.state_dict())
    for player in sorted(meta["optimisers"].keys() | optimisers.keys()):
        then = meta["optimisers"].get(player)
        now = _describe(optimisers[player], method)[0] if player in optimisers else None
        _refuse_other_optimiser(f"player {player!r}", path, then, now)
    method.load_state_dict(weights)
    for player, optimiser in optimisers.items():
        moments = _under(f"optimiser/{player}", tensors)
        _restore(optimiser, method, meta["optimisers"][player], moments)
    return _progress(meta["progress"], tensors)


def _describe(optimiser: Optimizer, method: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Take an optimiser apart into what JSON holds and tensors `<parameter>/<key>`."""
    names: dict[Tensor, str] = {p: name for name, p in method.named_parameters()}
    groups = [
        {
            "names": sorted(names[parameter] for parameter in group["params"]),
            "settings": {key: value for key, value in group.items() if key != "params"},
        }
        for group in optimiser.param_groups
    ]
    values: dict[str, dict[str, Any]] = {}
    tensors: dict[str, Tensor] = {}
    for parameter, state in optimiser.state.items():
        name = names[parameter]
        values[name] = {key: v for key, v in state.items() if not isinstance(v, Tensor)}
        moments = {key: v for key, v in state.items() if isinstance(v, Tensor)}
        tensors |= {f"{name}/{key}": value for key, value in moments.items()}
    return {"kind": type(optimiser).__name__, "groups": groups, "values": values}, tensors


def _restore(
    optimiser: Optimizer, method: nn.Module, then: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Give an optimiser back what it remembers of each parameter, and its learning rates."""
    names = {parameter: name for name, parameter in method.named_parameters()}
    moments: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for full, value in tensors.items():
        name, key = full.rsplit("/", 1)
        moments[name][key] = value
    fresh = optimiser.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for place, group, saved in zip(
        fresh["param_groups"], optimiser.param_groups, then["groups"], strict=True
    ):
        place |= {key: saved["settings"][key] for key in ("lr", "initial_lr") if key in place}
        for number, parameter in zip(place["params"], group["params"], strict=True):
            name = names[parameter]
            if name in then["values"]:
                ordered = {key: _ordered(v, parameter) for key, v in moments[name].items()}
                state[number] = then["values"][name] | ordered
    # torch moves each tensor to its device: step counts stay on the CPU unless a kernel is fused.
    optimiser.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})


def _ordered(value: Tensor, parameter: Tensor) -> Tensor:
    """Copy a tensor, in the memory order of its parameter where it has the shape of one.

    Fused kernels ask for it, and the order of a sum may depend on it.
    """
    if value.shape != parameter.shape:
        return value.clone()
    copied = torch.empty_strided(value.shape, parameter.stride(), dtype=value.dtype)
    return copied.copy_(value)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring tensors to the CPU, contiguous; copy those that share memory: the format has none."""
    found: dict[str, Tensor] = {}
    seen = set()
    for key, value in tensors.items():
        near = value.detach().cpu().contiguous()
        place = near.untyped_storage().data_ptr()
        found[key] = near.clone() if place in seen else near
        seen.add(place)
    return found


def _numbers(progress: Progress) -> dict[str, Any]:
    """Return what of the progress is numbers; JSON in Python keeps every bit, NaN too."""
    return {f.name: getattr(progress, f.name) for f in fields(progress) if f.name not in WEIGHTS}


def _progress(numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Progress:
    history = [(int(epoch), str(name), float(value)) for epoch, name, value in numbers["history"]]
    # Copies: what was read may still lie in the file, which the next checkpoint replaces.
    weights = {
        part: {name: value.clone() for name, value in _under(part, tensors).items()}
        for part in WEIGHTS
    }
    return Progress(**{**numbers, "history": history, **weights})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt", device="cpu") as file:
            meta = json.loads(file.metadata()[METADATA])
            return meta, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CxrfairError(
            f"checkpoint {path}: it is damaged ({error}); delete it to start the run again"
        ) from None


def _refuse_other_method(path: Path, then: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> None:
    """Say which tensors of a method are missing from the file, unknown, or of another shape."""
    for name in sorted(then.keys() | now.keys()):
        there, here = (_shape(tensors.get(name)) for tensors in (then, now))
        if there != here:
            raise _other(path, f"{name} is {there} in it and {here} in this method")


def _refuse_other_optimiser(
    where: str, path: Path, then: Mapping[str, Any] | None, now: Mapping[str, Any] | None
) -> None:
    """Say how a player's optimiser differs from that of the file."""
    if then is None or now is None:
        raise _other(path, f"{where} is {'not in it' if then is None else 'in it only'}")
    if then["kind"] != now["kind"]:
        raise _other(path, f"{where} is moved by {then['kind']} in it, here by {now['kind']}")
    parts = [[group["names"] for group in made["groups"]] for made in (then, now)]
    if parts[0] != parts[1]:
        odd = sorted(
            {name for group in parts[0] for name in group}.symmetric_difference(
                name for group in parts[1] for name in group
            )
        )
        raise _other(path, f"{where} moves other parameters ({', '.join(odd) or 'other groups'})")
    for old, new in zip(then["groups"], now["groups"], strict=True):
        for key in sorted((old["settings"].keys() | new["settings"].keys()) - FREE):
            there, here = (json.dumps(made["settings"].get(key)) for made in (old, new))
            if there != here:
                raise _other(path, f"{where} has {key} {there} in it, here {here}")


def _other(path: Path, difference: str) -> CxrfairError:
    return CxrfairError(
        f"checkpoint {path}: it is of another run: {difference}; delete it to start again"
    )


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{tuple(tensor.shape)} {tensor.dtype}"


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}
