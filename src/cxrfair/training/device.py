"""Which processor a run uses, and how exactly it computes."""

import fcntl
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cxrfair.errors import CxrfairError

_held: list[TextIOWrapper] = []  # a lock lives as long as its file is open


class DeviceError(CxrfairError):
    """A processor that is not there, or cannot do what is asked of it."""


def choose(locks: Path) -> torch.device:
    """Take the first free GPU, or the CPU where there is none.

    Snakemake counts GPUs but hands out no device: each process locks the one it takes, so that
    jobs side by side do not meet on one. With more jobs than GPUs the last ones share the first.
    Processes that train one network together never share one: NCCL cannot.

    Raises
    ------
    DeviceError
        This process is one of several, and no GPU is free for it.
    """
    count = torch.cuda.device_count()
    if count == 0:
        return torch.device("cpu")
    locks.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        # By its serial number: the index is another one in every job, and on every machine.
        serial = torch.cuda.get_device_properties(index).uuid
        lock = (locks / f"gpu-{serial}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        return torch.device("cuda", index)
    together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if together > 1:
        raise DeviceError(
            f"train.processes: {together} on one machine, but {count} GPUs are visible and all are "
            "taken; each process needs one that no other process and no other job uses"
        )
    return torch.device("cuda", 0)


def make_deterministic(threads: int) -> None:
    """Ask for the same bytes every time: fixed threads, deterministic kernels, float32 as it is.

    The number of threads decides the order of sums, so it is a setting and not what the machine or
    Snakemake happens to have. GPUs round float32 to 10 bits of mantissa (TF32) in convolutions
    unless told not to; who wants speed takes bf16, which is named in the record.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@dataclass(frozen=True)
class Precision:
    """How a network computes on a kind of device; weights, losses and updates are float32 always.

    `name` (fp32 or bf16) goes into the record of a run.
    """

    name: str
    device: str

    def __call__(self) -> AbstractContextManager[Any]:
        """Return a context in which forward passes run at this precision."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.name == "bf16")


def precision(setting: str, device: torch.device) -> Precision:
    """Decide how to compute: `auto` is bf16 on a GPU with units for it, and fp32 elsewhere.

    Raises
    ------
    DeviceError
        bf16 is asked of a GPU that would only imitate it, slower than fp32.
    """
    gpu = device.type == "cuda"
    native = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if setting == "bf16" and gpu and not native:
        raise DeviceError(
            f"train.precision: bf16, which {torch.cuda.get_device_name(device)} lacks; auto or fp32"
        )
    if setting == "auto":
        return Precision("bf16" if native else "fp32", device.type)
    return Precision(setting, device.type)


def place(module: nn.Module, device: torch.device) -> None:
    """Move a module to a device, convolutions in channels-last order: faster, on a CPU too."""
    move: Any = module.to  # torch's stubs do not know memory_format
    move(device, memory_format=torch.channels_last)
