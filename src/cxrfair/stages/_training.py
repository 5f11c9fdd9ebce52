"""What the stages that train have in common: what they read, and how a training goes on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cxrfair import distributed, environment, provenance, tables
from cxrfair.images.store import Store
from cxrfair.pretrained import HUB, NONE
from cxrfair.scales import overridden
from cxrfair.stages import _model
from cxrfair.text import Text
from cxrfair.tracking import Place, Run
from cxrfair.training import device
from cxrfair.training.guidance import Masks
from cxrfair.training.job import Data, Trained, TrainSpec, Upstream
from cxrfair.training.job import train as run_training

STATE = Path(".cxrfair")  # checkpoints and locks: neither results nor inputs


@dataclass(frozen=True)
class Inputs:
    """The files a training reads; `upstream` is a card and weights, or none; `text` one or none.

    `masks` are masks and where they lie, or none.
    """

    listed: Path
    cohort: Path
    targets: Path
    splits: Path
    pixels: Path
    index: Path
    upstream: tuple[Path, ...]
    text: tuple[Path, ...]
    chosen: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()

    def read(self) -> Data:
        """Read all but `chosen`."""
        return Data(
            tables.TRAINING_LIST.read(self.listed),
            tables.COHORT.read(self.cohort),
            tables.TARGETS.read(self.targets),
            tables.SPLITS.read(self.splits),
            Store(self.pixels, tables.STORE_INDEX.read(self.index)),
            Upstream(*_model.read(*self.upstream)) if self.upstream else None,
            Text.load(*self.text) if self.text else None,
            Masks.load(*self.masks) if self.masks else None,
        )

    def hashes(self, spec: TrainSpec) -> dict[str, str]:
        """Hash each file by name; not the pixels, which take long: the index holds checksums.

        Masks have none, and are few.
        """
        names = ("listed", "cohort", "targets", "splits", "index")
        read: dict[str, Path] = {name: getattr(self, name) for name in names}
        read |= dict(zip(("upstream_card", "upstream"), self.upstream, strict=False))
        read |= dict(zip(("text",), self.text, strict=False))
        read |= dict(zip(("chosen",), self.chosen, strict=False))
        read |= dict(zip(("masks", "mask_index"), self.masks, strict=False))
        if spec.train.pretrained not in {NONE, HUB}:
            read["pretrained"] = Path(spec.train.pretrained)
        return {what: environment.md5(path) for what, path in read.items()}


class Ready(NamedTuple):
    """A training that may begin: its data, processor, log, saved state, and what it is made of."""

    data: Data
    processor: torch.device
    log: Run
    saved: Path
    origin: dict[str, str]

    def train(self, spec: TrainSpec) -> Trained:
        """Train, or go on from the saved state of an interrupted run of the same."""
        return run_training(spec, self.data, self.saved, self.processor, self.log)


@contextmanager
def ready(stage: str, inputs: Inputs, spec: TrainSpec, place: Place) -> Iterator[Ready]:
    """Read what a training needs and set up processor and log; forget its state if all went well.

    Each of several processes runs the block; `distributed.is_first()` names the one that writes.
    """
    data, hashes = inputs.read(), inputs.hashes(spec)
    name = _name(stage, place, spec, hashes)
    saved = STATE / "checkpoints" / f"{name}.safetensors"
    device.make_deterministic(spec.train.threads)
    processor = device.choose(STATE / "locks")
    with distributed.join(processor, spec.train.processes), Run(place, name) as log:
        origin = environment.origin(hashes)
        log.log_params(spec.model_dump(), origin)
        yield Ready(data, processor, log, saved, origin)
        first = distributed.is_first()
    if first:
        saved.unlink(missing_ok=True)


def settled(spec: TrainSpec, found: Mapping[str, Any]) -> TrainSpec:
    """Replace settings by those a search drew or chose: `settings` of the method, and `train`."""
    values = spec.model_dump(mode="json")
    for own, part in (("hyper", "settings"), ("train", "train")):
        values[own] = overridden(values[own], found[part])
    return TrainSpec.parse(json.dumps(values), "spec")


def _name(stage: str, place: Place, spec: TrainSpec, hashes: Mapping[str, str]) -> str:
    """Name a training by its place, settings, data and code: no other resumes from its state."""
    modules = (f"cxrfair.stages.{stage}", f"cxrfair.methods.{spec.method}")
    code = sorted({path for module in modules for path in provenance.closure(module)})
    parts = [str(place), spec.model_dump_json(), *hashes.values(), *map(environment.md5, code)]
    return environment.fingerprint([*parts, *environment.versions().values()])
