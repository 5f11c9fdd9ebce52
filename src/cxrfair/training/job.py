"""One training from tables to weights: what the train stage calls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrfair import methods
from cxrfair.backbones import Card, Form, VectorNetwork, build, compile_body, origin
from cxrfair.config import Section
from cxrfair.environment import Conditions
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.lookup import places
from cxrfair.methods import Groups, Listed, Method, Network
from cxrfair.text import Text
from cxrfair.tracking import Run as Log
from cxrfair.training import device, examples, loop, scoring, validation
from cxrfair.training.checkpoint import Progress
from cxrfair.training.config import TrainConfig
from cxrfair.training.examples import Examples
from cxrfair.training.guidance import Guidance, Masks, guidance
from cxrfair.vector_network import MlpConfig


class TrainSpec(Section):
    """Everything that decides a training beside its data; `hyper` are the method's settings."""

    method: str
    hyper: dict[str, Any]
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    seed: int
    train: TrainConfig


@dataclass(frozen=True)
class Upstream:
    """A model that a method starts from."""

    card: Card
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Data:
    """The tables a training reads (see `cxrfair.tables`), its pixels, and what it starts from.

    `text` is what the labels say, and `guidance` where findings are, for a method that reads it.
    """

    listed: pd.DataFrame
    cohort: pd.DataFrame
    targets: pd.DataFrame
    splits: pd.DataFrame
    store: Store
    upstream: Upstream | None
    text: Text | None = None
    guidance: Masks | None = None


@dataclass(frozen=True)
class Trained:
    """What a training leaves: weights, how to rebuild the network, curves, how it went.

    `drawn` are rows of `tables.DRAWN`: how often an epoch took each entry of the training list.
    """

    weights: dict[str, Tensor]
    early: dict[str, Tensor]
    card: Card
    history: pd.DataFrame
    drawn: pd.DataFrame
    conditions: Conditions


def train(spec: TrainSpec, data: Data, saved: Path, processor: torch.device, log: Log) -> Trained:
    """Train one network; go on from `saved` where an interrupted run of the same left it.

    Random numbers, threads and processors are expected as `cxrfair.training.device` sets them.

    Raises
    ------
    CxrfairError
        Before the first step, where the data or the upstream model cannot be what is asked for.
    """
    config = spec.train
    seen, groups = examples.training_examples(
        data.listed, data.cohort, data.targets, data.store, (spec.labels, spec.groups)
    )
    seen = replace(seen, guidance=_guidance(spec, data))
    judged = _judged(spec, data)
    _refuse_held_out(data)
    method = _method(spec, data, groups, seen)
    listed = _listed(method, seen, spec, data, processor)
    method.survey(listed)
    repeats = method.repeats(listed)
    run = loop.Run(
        train=_weighed(seen, method.chances(listed)),
        validation=judged,
        store=data.store,
        config=config,
        seed=spec.seed,
        device=processor,
        images=data.listed["image_id"].to_numpy(object),
        title=f"train {log.place}",
        repeats=repeats,
    )
    progress = loop.fit(method, run, saved, log.log_epoch)
    return Trained(
        weights=_contiguous(progress.best),
        early=_contiguous(progress.early),
        card=_card(spec, method, data, progress),
        history=pd.DataFrame(progress.history, columns=["epoch", "name", "value"]),
        drawn=_drawn(data.listed, repeats),
        conditions=_conditions(spec, processor, progress),
    )


def _guidance(spec: TrainSpec, data: Data) -> Guidance | None:
    """Return the masks that are shown; None where the method reads none or the list names none."""
    reads = methods.get(spec.method).reads_masks
    return guidance(data.listed, spec.labels, data.guidance, data.store, reads)


def _judged(spec: TrainSpec, data: Data) -> Examples:
    """Return the validation images that epochs are judged by."""
    held_out = data.splits.loc[data.splits["fold"] == "validation", "image_id"]
    at_most = spec.train.validation.images
    chosen = validation.subset(held_out, data.targets, spec.labels, at_most)
    return examples.held_out_examples(chosen, data.targets, data.store, spec.labels)


def _refuse_held_out(data: Data) -> None:
    """Nobody may be mixed with an image that models are judged by."""
    if "partner" not in data.listed:
        return
    fold = data.splits["fold"] == "train"
    partners = data.listed["partner"].dropna()
    if n := int((places(partners, data.splits.loc[fold, "image_id"]) < 0).sum()):
        raise CxrfairError(
            f"training list: {n} rows have a partner that is not a training image; allowed: none"
        )


def _method(spec: TrainSpec, data: Data, groups: Groups, seen: Examples) -> Method[Any]:
    """Build network and method; the seed decides the first weights."""
    kind = methods.get(spec.method)
    hyper = kind.config_type.parse(json.dumps(spec.hyper), f"methods.{spec.method}")
    config = spec.train
    torch.manual_seed(spec.seed)
    shape = (len(spec.labels), data.store.size, config.channels)
    form = Form(_layers(config, data.store), config.output_stride)
    net = build(config.backbone, config.pretrained, *shape, form=form)
    if isinstance(net, VectorNetwork):
        net.standardise(*(torch.from_numpy(each) for each in data.store.moments(seen.row)))
    if config.compile:
        compile_body(net)
    deployed = kind.build(net, hyper, _embedded(spec, data.text))
    return kind(deployed, groups, hyper, _frozen(spec, data.upstream))


def _layers(config: TrainConfig, store: Store) -> MlpConfig | None:
    """Return the layers over vectors; None where the inputs are pictures."""
    return config.mlp if store.holds_vectors else None


def _embedded(spec: TrainSpec, text: Text | None) -> Tensor | None:
    """Return what the labels say, (2k, w)."""
    return None if text is None else torch.from_numpy(text.select(spec.labels).embedding)


def _frozen(spec: TrainSpec, upstream: Upstream | None) -> Network | None:
    """Rebuild the upstream network, never to be trained again."""
    if upstream is None:
        return None
    if upstream.card.labels != spec.labels:
        raise CxrfairError(
            f"train: the upstream model has labels {', '.join(upstream.card.labels)}; "
            f"this study's are {', '.join(spec.labels)}"
        )
    network = scoring.restore(upstream.card, upstream.weights)
    network.requires_grad_(False).eval()
    return network


def _listed(
    method: Method[Any], seen: Examples, spec: TrainSpec, data: Data, processor: torch.device
) -> Listed:
    """Gather what a method may look at before its first step."""
    logit = None
    if method.needs and not method.deploys_upstream:  # which asks nothing of its upstream's answers
        device.place(method.upstream, processor)
        logit = scoring.score(method.upstream, data.store, seen.row, processor).numpy()
    return Listed(seen.target, spec.labels, seen.group, logit)


def _weighed(seen: Examples, chances: NDArray[np.float64] | None) -> Examples:
    """Multiply the weights of the training list by what the method asks for."""
    return seen if chances is None else replace(seen, weight=seen.weight * chances)


def _drawn(listed: pd.DataFrame, repeats: NDArray[np.int64] | None) -> pd.DataFrame:
    """Say how often an epoch takes each entry of the training list: once, or what the method says.

    It follows from the list and the upstream alone, so that it is the same after a stop.
    """
    times = np.ones(len(listed), np.int64) if repeats is None else repeats
    return listed[["position", "image_id"]].assign(repeats=times)


def _conditions(spec: TrainSpec, processor: torch.device, progress: Progress) -> Conditions:
    return Conditions(
        device=_name(processor),
        threads=spec.train.threads,
        processes=spec.train.processes,
        precision=device.precision(spec.train.precision, processor).name,
        seed=spec.seed,
        resumed=progress.resumed,
    )


def _card(spec: TrainSpec, method: Method[Any], data: Data, progress: Progress) -> Card:
    config = spec.train
    return Card(
        backbone=config.backbone,
        pretrained=config.pretrained,
        origin=origin(config.backbone, config.pretrained),
        channels=config.channels,
        labels=spec.labels,
        size=data.store.size,
        method=spec.method,
        settings=method.config.model_dump(mode="json"),
        groups=spec.groups,
        text="none" if data.text is None else data.text.encoder,
        batch_statistics=method.batch_statistics,
        provenance=method.provenance,
        source=method.source,
        measure=config.validation.measure,
        selected_epoch=progress.best_epoch,
        early_epoch=progress.early_epoch,
        epochs=progress.epoch,
        mlp=_layers(config, data.store),
        output_stride=config.output_stride,
    )


def _contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in weights.items()}


def _name(processor: torch.device) -> str:
    if processor.type == "cuda":
        return torch.cuda.get_device_name(processor)
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})"
