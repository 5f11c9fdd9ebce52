"""Several processes that train one network, each on its part of every batch.

Process r of W holds entries r::W of every batch. `gather` joins what the processes made of their
parts, so that each computes the loss of the whole batch; `average_gradients` then makes the update
that one process would have made. Everything here does nothing in one process.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable

from cxrfair.errors import CxrfairError

PATIENCE = timedelta(minutes=30)  # the first process may be at the disk while the others wait
AGENT = "CXRFAIR_AGENT"  # environment variable: the process number of the launcher's agent
LEFT_ALONE = 70  # exit status of a process that only ends because another one did
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_WITH_ACTIVATION = (
    "BatchNormAct2d"  # timm's; by name, because timm is none of this module's business
)


class DistributedError(CxrfairError):
    """Processes that cannot train together."""


class PeerError(DistributedError):
    """Another process ended, or does not do what this one does."""


@dataclass(frozen=True)
class World:
    """The place of this process: `rank` in [0, `size`)."""

    rank: int
    size: int


def world() -> World:
    """Return this process's place; 0 of 1 where it is alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return World(0, 1)
    return World(distributed.get_rank(), distributed.get_world_size())


def is_first() -> bool:
    """Say whether this is the process that writes files and shows progress."""
    return world().rank == 0


@contextmanager
def join(device: torch.device, processes: int) -> Iterator[World]:
    """Be one of `processes` while the block runs, as `cxrfair.launch` (or torchrun) arranged it.

    GPUs exchange data by NCCL; flags and sizes go by gloo on any machine, so that asking for them
    never waits for a GPU.

    Raises
    ------
    DistributedError
        Another number of processes was started.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise DistributedError(
            f"train.processes: {processes}, but {started} started; "
            f"start it by python -m cxrfair.launch --processes {processes}"
        )
    if processes == 1:
        yield World(0, 1)
        return
    _end_with_agent()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield world()
    except (PeerError, distributed.DistError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(LEFT_ALONE)  # so that the agent shows the other's message
    # Not after an error: the others must not notice before this process has said what it was, and
    # NCCL may wait for exchanges that they never join. They notice when it ends.
    distributed.destroy_process_group()


@contextmanager
def _exchange() -> Iterator[None]:
    """Say in the project's own words that an exchange failed; gloo has no error of its own."""
    try:
        yield
    except RuntimeError as error:
        raise PeerError(
            "train.processes: another process ended or went another way; its own message says why "
            f"({str(error).split('. ')[0]})"
        ) from error


def gather(part: Tensor) -> Tensor:
    """Join the parts of all processes to the batch, in its own order.

    Every process must call this, as often as the others and with tensors that differ in their
    number of rows only.

    Parameters
    ----------
    part
        Shape (n_r, ...), any type, also without rows: entries r::W of the batch.

    Returns
    -------
    Tensor
        Shape (n, ...): the first row of each process in turn, then the second of each, and so on;
        a process without any left is passed over. Of entries r::W this makes the original order.
        Of contiguous pieces of them (`train.accumulate`), or of what is left after a selection, it
        makes another order, but the same one for every tensor with the same numbers of rows.

    Notes
    -----
    Gradients are those of one process, once they are averaged over processes. Let the loss of the
    whole batch be L(z_1, ..., z_n, theta) with z_i = f(x_i; theta) gathered. Process r can follow
    the z_i of its own part back into theta. With the gradient of its own rows taken W times it has

        g_r = W sum_{i in r} dL/dz_i dz_i/dtheta + dL/dtheta,

    and the average over processes is sum_i dL/dz_i dz_i/dtheta + dL/dtheta: terms of images count
    once each, and so do terms that no image enters (penalties on weights, layers behind the
    gathering), which every process computes alike. A mean over a part that was not gathered is
    averaged over processes: right only for parts of one size. Second derivatives are refused.
    """
    if world().size == 1:
        return part
    joined: Tensor = _Gather.apply(part)  # type: ignore[no-untyped-call]
    return joined


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        here = world()
        sizes = _sizes(len(part), here.size)
        rows, own = _order(sizes, here.rank)
        ctx.save_for_backward(own.to(part.device))
        padded = part.new_zeros((max(sizes), *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in sizes]
        if padded.numel():
            with _exchange():
                distributed.all_gather(parts, padded)
        return torch.stack(parts, 1).flatten(0, 1).index_select(0, rows.to(part.device))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (own,) = ctx.saved_tensors
        return gradient.index_select(0, own) * world().size


def _sizes(rows: int, processes: int) -> list[int]:
    """Tell everyone how many rows each process holds."""
    counts = [torch.empty(1, dtype=torch.int64) for _ in range(processes)]
    with _exchange():
        distributed.all_gather(counts, torch.tensor([rows]))
    return [int(count) for count in counts]


def _order(sizes: Sequence[int], rank: int) -> tuple[Tensor, Tensor]:
    """Return which rows of padded parts (longest, W) are real, and where ours end up."""
    held = torch.arange(max(sizes)).unsqueeze(1) < torch.tensor(sizes)
    place = held.flatten().cumsum(0).reshape(held.shape) - 1
    return held.flatten().nonzero().squeeze(1), place[:, rank][held[:, rank]]


def _reduce(tensor: Tensor, how: Any = distributed.ReduceOp.SUM) -> None:
    """Fold the tensors of all processes into one, in place."""
    with _exchange():
        distributed.all_reduce(tensor, op=how)


@torch.no_grad()
def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over processes, in one exchange per type and device."""
    size = world().size
    if size == 1:
        return

    def kind(tensor: Tensor) -> str:
        return f"{tensor.dtype} {tensor.device}"

    for _, alike in groupby(sorted(tensors, key=kind), key=kind):
        bucket = list(alike)
        flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
        _reduce(flat)
        means = torch.split(flat / size, [tensor.numel() for tensor in bucket])
        for tensor, mean in zip(bucket, means, strict=True):
            tensor.copy_(mean.view_as(tensor))


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average gradients over processes.

    A parameter without a gradient keeps none if nobody has one (an optimiser passes over it, as in
    one process), and counts as zero where others have one.
    """
    if world().size == 1:
        return
    reached = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8)
    _reduce(reached, distributed.ReduceOp.MAX)
    gradients = []
    for parameter, anywhere in zip(parameters, reached.tolist(), strict=True):
        if anywhere:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    average(gradients)


def any_true(flag: bool) -> bool:
    """Say whether `flag` is true in any process: all do the same about a signal that one got."""
    if world().size == 1:
        return flag
    flags = torch.tensor([flag], dtype=torch.uint8)
    _reduce(flags, distributed.ReduceOp.MAX)
    return bool(flags.item())


def add_up(part: Tensor) -> Tensor:
    """Sum a tensor over processes; the gradient of a sum that everyone uses is summed as well."""
    if world().size == 1:
        return part
    total: Tensor = _Sum.apply(part)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        del ctx
        total = part.clone()
        _reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        del ctx
        return add_up(gradient.contiguous())


def _end_with_agent() -> None:
    """Die with the agent that started this process: `kill -9` of a command must end all of it.

    Otherwise the rest would train on beside the next run of the same command.
    """
    agent = os.environ.get(AGENT)
    if agent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(agent):  # it died before it could be watched
        sys.exit(LEFT_ALONE)
