"""One training from tables to weights: what the train stage calls."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from cxrfair import environment, methods
from cxrfair.backbones import Card, build
from cxrfair.config import Section
from cxrfair.images.store import Store
from cxrfair.tracking import Run as Log
from cxrfair.training import device, examples, loop
from cxrfair.training.loop import TrainConfig


class TrainSpec(Section):
    """Everything that decides a training beside its data; `hyper` are the method's settings."""

    method: str
    hyper: dict[str, Any]
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    seed: int
    train: TrainConfig


@dataclass(frozen=True)
class Data:
    """The tables a training reads (see `cxrfair.tables`) and its pixels."""

    listed: pd.DataFrame
    cohort: pd.DataFrame
    targets: pd.DataFrame
    splits: pd.DataFrame
    store: Store


@dataclass(frozen=True)
class Trained:
    """What a training leaves: weights, how to rebuild the network, curves, what it ran with."""

    weights: dict[str, Tensor]
    card: Card
    history: pd.DataFrame
    environment: dict[str, str]


def train(spec: TrainSpec, data: Data, saved: Path, locks: Path, log: Log) -> Trained:
    """Train one network; go on from `saved` where an interrupted run of the same left it."""
    config = spec.train
    device.make_deterministic(config.threads)
    processor = device.choose(locks)
    choice = (spec.labels, spec.groups)
    seen, groups = examples.training_examples(
        data.listed, data.cohort, data.targets, data.store, choice
    )
    held_out = data.splits.loc[data.splits["fold"] == "validation", "image_id"]
    judged = examples.held_out_examples(held_out, data.targets, data.store, spec.labels)
    torch.manual_seed(spec.seed)  # decides the first weights
    net = build(config.backbone, config.pretrained, len(spec.labels), data.store.size)
    kind = methods.get(spec.method)
    hyper = kind.config_type.parse(json.dumps(spec.hyper), f"methods.{spec.method}")
    method = kind(net, groups, hyper)
    run = loop.Run(seen, judged, data.store, config, spec.seed, processor)
    progress = loop.fit(method, run, saved, log.log_epoch)
    return Trained(
        weights={key: value.contiguous() for key, value in progress.best.items()},
        card=_card(spec, data.store.size, progress.best_epoch),
        history=pd.DataFrame(progress.history, columns=["epoch", "name", "value"]),
        environment=environment.describe(_name(processor), config.threads),
    )


def _card(spec: TrainSpec, size: int, epoch: int) -> Card:
    return Card(
        backbone=spec.train.backbone,
        pretrained=spec.train.pretrained,
        labels=spec.labels,
        size=size,
        method=spec.method,
        selected_epoch=epoch,
    )


def _name(processor: torch.device) -> str:
    if processor.type == "cuda":
        return torch.cuda.get_device_name(processor)
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})"
