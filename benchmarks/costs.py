"""Seconds an epoch of every method, beside erm in the same run; `methods.py epoch` shows them.

They are CPU seconds of one thread, which other work on the machine changes less than the wall's.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from cxrfair import backbones, methods
from cxrfair.images.augment import AugmentConfig
from cxrfair.images.store import Store
from cxrfair.methods import Groups, Listed
from cxrfair.progress import say
from cxrfair.scales import at_scale
from cxrfair.training import batches, device, optimisers, sampling
from cxrfair.training.config import Adam
from cxrfair.training.examples import Examples
from cxrfair.training.step import Stepper

SETTINGS = at_scale(yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text()), "demo")
CPU = torch.device("cpu")
ON = AugmentConfig(**SETTINGS["train"]["augment"])
ADAM = Adam(kind="adamw", learning_rate=1e-3, weight_decay=1e-4)
LABELS = ("no_finding", "pleural_effusion")
CASES = (("test_resnet", 64, 512, 64), ("resnet18", 128, 48, 16))  # network, pixels, images, batch
WRONG = 0.2  # share of examples that an upstream gets wrong: what jtt draws again


@dataclass(frozen=True)
class Learner:
    """A method with its optimisers, over the training list as the method asks for it."""

    stepper: Stepper
    source: batches.Source
    repeats: NDArray[np.int64] | None
    batch: int

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the examples of an epoch in order."""
        return sampling.epoch_order(self.source.examples.weight, self.repeats, 0, epoch)

    def epoch(self, number: int) -> int:
        """Take an epoch; return how many examples it drew."""
        order = self.order(number)
        plan = sampling.plan(order, self.batch, sampling.Share())
        for parts in _read(self.source, plan, number):
            self.stepper.step(parts, [1.0])
        return len(order)


def show_epochs(names: Sequence[str], rounds: int) -> None:
    """Print a table for each network."""
    device.make_deterministic(1)
    for network, size, count, batch in CASES:
        with TemporaryDirectory() as folder:
            store, known = _made(Path(folder), size, count)
            learners = {name: _learner(name, (network, batch), store, known) for name in names}
            taken, drawn = _in_turns(learners, rounds, f"{network}, {size} px")
        title = f"an epoch of {network}, {size} px, {count} images, batches of {batch}, one thread"
        columns = ("CPU s", "times erm", "examples", "an example, times erm")
        table = Table("method", *columns, title=title, box=box.MARKDOWN)
        for name in names:
            ratios = [a / b for a, b in zip(taken[name], taken["erm"], strict=True)]
            more = drawn[name] / drawn["erm"]
            ratio = median(ratios)
            row = (
                f"{median(taken[name]):.2f}",
                f"{ratio:.2f}",
                f"{more:.2f}",
                f"{ratio / more:.2f}",
            )
            table.add_row(name, *row)
        Console(width=120).print(table)


def _in_turns(
    learners: dict[str, Learner], rounds: int, what: str
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Let every method take an epoch, again and again; the first round warms up and is dropped."""
    taken: dict[str, list[float]] = {name: [] for name in learners}
    drawn = {}
    for number in range(rounds + 1):
        for name, learner in learners.items():
            begun = time.process_time()
            drawn[name] = learner.epoch(number + 1)
            taken[name].append(time.process_time() - begun)
        say(f"{what}: round {number} of {rounds}")
    return {name: each[1:] for name, each in taken.items()}, drawn


def _made(folder: Path, size: int, count: int) -> tuple[Store, Examples]:
    """Make noise with two groups and labels at random."""
    rng = np.random.default_rng(0)
    np.save(folder / "pixels.npy", rng.integers(0, 256, (count, size, size), np.uint8))
    ids = [f"i{number}" for number in range(count)]
    index = pd.DataFrame({"image_id": ids, "row": range(count), "quarantine": None})
    target = rng.integers(0, 2, (count, len(LABELS))).astype(np.float32)
    rows = np.arange(count)
    group = rng.integers(0, 2, count)
    known = Examples(rows, target, group, np.ones(count), rows)
    return Store(folder / "pixels.npy", index), known


def _learner(name: str, of: tuple[str, int], store: Store, known: Examples) -> Learner:
    """Make a method as a training does, past its learner-only steps where it has some."""
    network, batch = of
    kind = methods.get(name)
    settings = dict(SETTINGS["methods"][name])
    if "pretrain_steps" in settings:
        settings["pretrain_steps"] = 1
    config = kind.config_type.parse(json.dumps(settings), name)
    torch.manual_seed(0)
    net, upstream = (backbones.build(network, "none", len(LABELS), store.size, 1) for _ in range(2))
    upstream.requires_grad_(False).eval()
    groups = Groups(("female", "male"), tuple(np.bincount(known.group).tolist()))
    method: Any = kind(kind.build(net, config), groups, config, upstream)
    listed = Listed(known.target, LABELS, known.group, _answers(known.target))
    method.survey(listed)
    device.place(method, CPU)
    method.train()
    made = optimisers.build(method, ADAM)
    chances = method.chances(listed)
    weighed = Examples(
        known.row,
        known.target,
        known.group,
        known.weight * (1 if chances is None else chances),
        known.key,
    )
    stepper = Stepper(method, made, device.precision("fp32", CPU), None)
    return Learner(stepper, batches.Source(weighed, store, ON, CPU), method.repeats(listed), batch)


def _answers(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make logits of an upstream that is wrong about some examples."""
    wrong = np.arange(len(target)) < WRONG * len(target)
    return np.where(wrong[:, None], 1 - 2 * target, 2 * target - 1).astype(np.float32)


def _read(source: batches.Source, plan: Any, epoch: int) -> Iterator[Any]:
    with closing(batches.stream(source, plan, 0, epoch)) as steps:
        yield from steps
