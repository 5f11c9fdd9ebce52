"""What stops a training, said so that its user knows what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.training.config import TrainConfig

TRY = "try a lower train.optimiser.learning_rate, or a train.clip_norm"


class LossError(CxrfairError):
    """A loss, or what it led to, is no longer a number."""


class MemoryShortError(CxrfairError):
    """A step does not fit into the memory of the GPU."""


def broken_step(where: str, what: str, images: NDArray[np.object_], saved: Path) -> LossError:
    """Say what broke and where; the step's images are listed in a file beside the checkpoint.

    The list holds ids of patients' images, so it stays out of the message and so out of logs.
    """
    listed = saved.with_suffix(".not_finite.csv")
    write_text(listed, "image_id\n" + "".join(f"{image}\n" for image in images))
    return LossError(
        f"train: {what} at {where}; its {len(images)} images are listed in {listed}; "
        f"{_kept(saved)}; {TRY}"
    )


def refuse_broken_weights(module: nn.Module, where: str, saved: Path) -> None:
    """Keep what is not finite out of a checkpoint: a loss shows it one step late.

    Raises
    ------
    LossError
        If a weight is not finite.
    """
    floats = [value for value in module.state_dict().values() if value.is_floating_point()]
    finite = torch.stack([torch.isfinite(value).all() for value in floats]).all()
    if not bool(finite):
        raise LossError(f"train: weights are not finite after {where}; {_kept(saved)}; {TRY}")


@contextmanager
def memory_explained(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Turn a GPU's lack of memory into what to set.

    Raises
    ------
    MemoryShortError
        With the number of parts a batch fits in, as far as halving goes.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        at_once = config.batch_size // (config.processes * config.accumulate)
        parts = 2 * config.accumulate
        advice = f"try train.accumulate: {parts} ({at_once // 2} at a time)"
        if at_once < 4:
            advice = "no smaller part is possible: try a smaller image, network or precision: bf16"
        raise MemoryShortError(
            f"train: {at_once} images at a time do not fit into the memory of {device}; {advice}"
        ) from error


def _kept(saved: Path) -> str:
    return f"the last finite state is {saved}" if saved.is_file() else "no state was saved before"
