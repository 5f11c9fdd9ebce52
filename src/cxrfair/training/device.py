"""Which processor a run uses."""

import fcntl
import os
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import torch
from torch import nn

_held: list[TextIOWrapper] = []  # a lock lives as long as its file is open


def choose(locks: Path) -> torch.device:
    """Take the first free GPU, or the CPU where there is none.

    Snakemake counts GPUs but hands out no device: each job locks the one it takes, so that jobs
    side by side do not meet on one. With more jobs than GPUs the last ones share the first.
    """
    count = torch.cuda.device_count()
    if count == 0:
        return torch.device("cpu")
    locks.mkdir(parents=True, exist_ok=True)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    for index in range(count):
        lock = (locks / f"gpu-{visible}-{index}.lock".replace(",", "_")).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        return torch.device("cuda", index)
    return torch.device("cuda", 0)


def make_deterministic(threads: int) -> None:
    """Ask for the same bytes every time: fixed threads, deterministic kernels.

    The number of threads decides the order of sums, so it is a setting and not what the machine or
    Snakemake happens to have.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def place(module: nn.Module, device: torch.device) -> None:
    """Move a module to a device, convolutions in channels-last order: faster, on a CPU too."""
    move: Any = module.to  # torch's stubs do not know memory_format
    move(device, memory_format=torch.channels_last)
