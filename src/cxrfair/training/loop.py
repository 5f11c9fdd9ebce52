"""The training loop."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from cxrfair import metrics
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.images.augment import AugmentConfig, augment, draws
from cxrfair.images.store import Store
from cxrfair.methods import Batch, Method
from cxrfair.methods._method import masked_bce
from cxrfair.progress import say, track
from cxrfair.training import checkpoint
from cxrfair.training.checkpoint import Progress
from cxrfair.training.device import place
from cxrfair.training.examples import Examples
from cxrfair.training.sampling import batches, epoch_order

SELECTION = "validation_auroc"


class TrainConfig(Section):
    """Section `train` of params.yaml."""

    backbone: str
    pretrained: str
    epochs: PositiveInt
    batch_size: PositiveInt = Field(ge=2)
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    schedule: Literal["constant", "cosine"]
    select: Literal["best", "last"]
    threads: PositiveInt
    augment: AugmentConfig


@dataclass(frozen=True)
class Run:
    """One training: its data, settings, seed and processor."""

    train: Examples
    validation: Examples
    store: Store
    config: TrainConfig
    seed: int
    device: torch.device


def fit(
    method: Method[Any], run: Run, saved: Path, watch: Callable[[int, Mapping[str, float]], None]
) -> Progress:
    """Train `method.net` in place; go on from `saved` where an interrupted run left it.

    `watch(epoch, numbers)` is told of every epoch as it ends. Each epoch starts from a random state
    made of seed and epoch alone, so a resumed run gives the same bytes as an uninterrupted one.

    Raises
    ------
    CxrfairError
        If the loss stops being finite; the last good epoch's checkpoint is kept.
    """
    place(method, run.device)
    optimiser = torch.optim.AdamW(
        method.parameters(), lr=run.config.learning_rate, weight_decay=run.config.weight_decay
    )
    progress = checkpoint.load(saved, method, optimiser, run.device)
    if progress.epoch:
        say(f"train: resumed after epoch {progress.epoch} of {run.config.epochs}")
    for epoch in track(range(progress.epoch + 1, run.config.epochs + 1), "train", "epochs"):
        torch.manual_seed(run.seed * 100_003 + epoch)
        _set_rate(optimiser, run.config, epoch)
        numbers = _epoch(method, optimiser, run, epoch) | _validate(method, run)
        _record(progress, method, epoch, numbers, run.config.select)
        checkpoint.save(saved, method, optimiser, progress)
        watch(epoch, numbers)
    method.net.load_state_dict(progress.best)
    return progress


def score(net: torch.nn.Module, examples: Examples, store: Store, device: torch.device) -> Tensor:
    """Return logits (n, k) in evaluation mode, without augmentation."""
    net.eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(examples), 256):
            rows = examples.row[start : start + 256]
            found.append(net(_images(store, rows, device)).cpu())
    return torch.cat(found)


def _images(
    store: Store, rows: np.ndarray[Any, np.dtype[np.int64]], device: torch.device
) -> Tensor:
    """Copy images to the device as (n, 1, h, w) in [0, 1]."""
    pixels = torch.from_numpy(store.read(rows)).to(device, non_blocking=True)
    images = pixels.unsqueeze(1).float() / 255
    return images.contiguous(memory_format=torch.channels_last)


def _epoch(
    method: Method[Any], optimiser: torch.optim.Optimizer, run: Run, epoch: int
) -> dict[str, float]:
    """Take one pass over the training list; return its mean numbers."""
    method.train()
    totals: defaultdict[str, float] = defaultdict(float)
    order = epoch_order(run.train.weight, run.seed, epoch)
    for step, pick in enumerate(batches(order, run.config.batch_size)):
        loss, numbers = method(_batch(run, pick, epoch))
        if not torch.isfinite(loss):
            raise CxrfairError(
                f"train: loss is {loss.item()} at epoch {epoch}, step {step}; "
                "try a lower train.learning_rate"
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for name, value in numbers.items():
            totals[name] += value * len(pick)
    return {f"train_{name}": total / len(order) for name, total in totals.items()}


def _batch(run: Run, pick: np.ndarray[Any, np.dtype[np.int64]], epoch: int) -> Batch:
    """Gather and augment one step's examples."""
    examples = run.train
    images = _images(run.store, examples.row[pick], run.device)
    images = augment(images, draws(run.seed, epoch, examples.key[pick]), run.config.augment)
    target = torch.tensor(examples.target[pick], device=run.device)
    group = torch.tensor(examples.group[pick], device=run.device)
    return Batch(images, target, group)


def _validate(method: Method[Any], run: Run) -> dict[str, float]:
    """Measure loss and mean AUROC over labels on validation; nothing learns from it."""
    logits = score(method.net, run.validation, run.store, run.device)
    target = torch.tensor(run.validation.target)
    losses, present = masked_bce(logits, target)
    return {
        "validation_loss": float(losses[present].mean()),
        SELECTION: _mean_auroc(target.numpy(), logits.numpy()),
    }


def _mean_auroc(target: np.ndarray[Any, Any], logit: np.ndarray[Any, Any]) -> float:
    """Average AUROC over the labels for which it is defined; NaN if for none."""
    auroc = metrics.get("auroc").compute
    found = []
    for label in range(target.shape[1]):
        known = ~np.isnan(target[:, label])
        truth = target[known, label].astype(np.int8)
        found.append(float(auroc(truth, logit[known, label], np.ones((1, len(truth))))[0]))
    defined = [value for value in found if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _record(
    progress: Progress, method: Method[Any], epoch: int, numbers: Mapping[str, float], select: str
) -> None:
    """Add an epoch to the curves and keep its weights if it is the one to keep so far."""
    progress.epoch = epoch
    progress.history += [(epoch, name, value) for name, value in sorted(numbers.items())]
    better = numbers[SELECTION] > progress.best_score
    if select == "last" or better or not progress.best:
        progress.best_epoch, progress.best_score = epoch, numbers[SELECTION]
        weights = method.net.state_dict()
        progress.best = {key: value.detach().cpu().clone() for key, value in weights.items()}


def _set_rate(optimiser: torch.optim.Optimizer, config: TrainConfig, epoch: int) -> None:
    """Set the learning rate of an epoch; cosine falls from the full rate to near zero."""
    share = (1 + np.cos(np.pi * (epoch - 1) / config.epochs)) / 2
    factor = share if config.schedule == "cosine" else 1.0
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * float(factor)
