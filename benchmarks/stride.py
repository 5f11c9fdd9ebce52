"""What Stride-Net costs: its training step beside a plain one, and transport beside the usual way.

Run `python benchmarks/stride.py [step transport] [--rounds 5] [--steps 3] [--threads 2]`; without a
word it does both.

`step`: seconds of a training step (forward, backward, Adam) of `vit_got` and `stride_net` against
`erm` on the same ViT, images of 224 px in batches of 64 that are there already, one label and
four groups, at the precision trainings have. They take turns; ratios are of the same round. On a
GPU, which is waited for, it is ViT-B/16 by the clock, and the most memory that a training had. On
a CPU it is ViT-Ti/16 by CPU seconds of all threads, which other work changes less than the clock's.
`--networks` asks for others. What a step does outside the ViT, its losses, the backward pass to the
tokens and the optimisers that move something there, is timed on its own too: on a CPU it is less
than what times of whole steps vary by.

`transport`: plans of 64 images with costs between 0 and 2 at random. The usual way is a loop over
images that calls `ot.sinkhorn` (POT) with the costs and phrases of each; ours is one call for all
of them, which is checked against the loop. Once with one label, where each image has one true
phrase, and once with 14.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import ot
import torch
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from cxrfair import backbones, methods
from cxrfair.methods import Batch, Groups, Representation
from cxrfair.methods._transport import ITERATIONS, TOLERANCE, plan, true_of
from cxrfair.progress import say
from cxrfair.scales import at_scale
from cxrfair.training import device, optimisers
from cxrfair.training.config import Adam
from cxrfair.training.step import Stepper

SETTINGS = at_scale(
    yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text()), "paper"
)
ADAM = Adam(kind="adam", learning_rate=1e-4, weight_decay=0.0)
NAMES = ("erm", "vit_got", "stride_net")
NETWORKS = {"cpu": ["vit_tiny_patch16_224"], "cuda": ["vit_base_patch16_224"]}
SIZE, WIDTH = 224, 384  # pixels; of an embedding of a phrase
GROUPS = Groups(("white", "black", "hispanic", "asian"), (16, 16, 16, 16))
PATCHES, SELECTED, MOST_LABELS = 196, 49, 14
GIB = 2**30


def main() -> None:
    """Measure what is asked for and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = {"step": _show_steps, "transport": _show_transport}
    parser.add_argument("what", nargs="*", default=list(known))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of a round, of each method")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--networks", nargs="*", help="timm names of ViTs")
    chosen = parser.parse_args()
    if wrong := sorted({*chosen.what} - {*known}):
        parser.error(f"{wrong}; allowed: {', '.join(known)}")
    device.make_deterministic(chosen.threads)
    at = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in chosen.what:
        known[name](chosen, at)


def _show_steps(chosen: argparse.Namespace, at: torch.device) -> None:
    """Print a table a network."""
    for network in chosen.networks or NETWORKS[at.type]:
        batch = _batch(chosen.batch, 1, at)
        on_gpu = at.type == "cuda"
        memory = {name: _memory(name, network, batch) for name in NAMES if on_gpu}
        taken = _in_turns({n: _learner(n, network, at) for n in NAMES}, batch, chosen)
        own = _in_turns({n: _without_body(_learner(n, network, at)) for n in NAMES}, batch, chosen)
        precision = device.precision("auto", at).name
        title = (
            f"a step of {network}, {SIZE} px, batches of {chosen.batch}, {_where(at)}, {precision}"
        )
        columns = (
            "seconds",
            "times erm",
            "lowest to highest",
            "outside the ViT, s",
            "GiB, times erm",
        )
        table = Table("method", *columns, title=title, box=box.MARKDOWN)
        for name in NAMES:
            ratios = [a / b for a, b in zip(taken[name], taken["erm"], strict=True)]
            low, high = min(ratios), max(ratios)
            outside = f"{median(own[name]):.3f}"
            held = f"{memory[name] / GIB:.2f}, {memory[name] / memory['erm']:.2f}" if memory else ""
            spread = f"{low:.3f} to {high:.3f}"
            seconds, ratio = f"{median(taken[name]):.3f}", f"{median(ratios):.3f}"
            table.add_row(name, seconds, ratio, spread, outside, held)
        Console(width=120).print(table)


def _in_turns(
    learners: Mapping[str, Stepper], batch: Batch, chosen: argparse.Namespace
) -> dict[str, list[float]]:
    """Return seconds a step by method and round; a first round warms up and is dropped."""
    taken: dict[str, list[float]] = {name: [] for name in learners}
    for number in range(chosen.rounds + 1):
        for name, learner in learners.items():
            taken[name].append(_seconds(partial(learner.step, [batch], [1.0]), chosen.steps, batch))
        say(f"round {number} of {chosen.rounds}")
    return {name: each[1:] for name, each in taken.items()}


def _seconds(do: Callable[[], Any], times: int, batch: Batch) -> float:
    """Return the seconds that something takes: CPU seconds, or a GPU's by the clock."""
    at = batch.image.device
    clock = time.perf_counter if at.type == "cuda" else time.process_time
    _wait(at)
    begun = clock()
    for _ in range(times):
        do()
    _wait(at)
    return (clock() - begun) / times


def _memory(name: str, network: str, batch: Batch) -> int:
    """Return the most bytes that a GPU held during three steps, the batch left out."""
    at = batch.image.device
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(at)
    learner = _learner(name, network, at)
    torch.cuda.reset_peak_memory_stats(at)
    for _ in range(3):
        learner.step([batch], [1.0])
    _wait(at)
    return torch.cuda.max_memory_allocated(at) - before


def _learner(name: str, network: str, at: torch.device) -> Stepper:
    """Make a method as a training does."""
    kind = methods.get(name)
    config = kind.config_type.parse(json.dumps(SETTINGS["methods"][name]), name)
    torch.manual_seed(0)
    net = kind.build(backbones.build(network, "none", 1, SIZE, 3), config, torch.randn(2, WIDTH))
    method: Any = kind(net, GROUPS, config)
    device.place(method, at)
    method.train()
    return Stepper(method, optimisers.build(method, ADAM), device.precision("auto", at), None)


def _without_body(learner: Stepper) -> Stepper:
    """Let a ViT give the same tokens for nothing, so that all else of a step can be timed."""
    net: Any = learner.method.net
    body = getattr(net, "body", net) if learner.method.reads_text else net
    rows, columns = body.grid

    def represent(image: Tensor) -> Representation:
        # Of the weights, so that every player has a gradient to move on.
        base = body.head.weight.sum() * 0
        tokens = _fixed(len(image), rows * columns, body.width, image.device) + base
        pooled = tokens.mean(1)
        return Representation(tokens, pooled, body.head(pooled), body.grid)

    body.represent = represent
    return learner


@cache
def _fixed(images: int, patches: int, width: int, at: torch.device) -> Tensor:
    """Return tokens at random, the same every time."""
    torch.manual_seed(0)
    return torch.randn(images, patches, width).to(at)


def _batch(images: int, labels: int, at: torch.device) -> Batch:
    """Make noise with labels and groups at random."""
    torch.manual_seed(0)
    return Batch(
        torch.rand(images, 1, SIZE, SIZE).to(at),
        torch.randint(2, (images, labels)).float().to(at),
        torch.randint(len(GROUPS.names), (images,)).to(at),
        torch.arange(images).to(at),
    )


def _show_transport(chosen: argparse.Namespace, at: torch.device) -> None:
    """Print a row for each number of patches and labels."""
    title = f"plans of {chosen.batch} images, {_where(at)}"
    columns = (
        "labels",
        "a loop, ms",
        "all at once, ms",
        "ratio",
        "largest difference, of a patch's share",
    )
    table = Table("patches", *columns, title=title, box=box.MARKDOWN)
    epsilon = SETTINGS["methods"]["stride_net"]["epsilon"]
    for patches, labels in [(p, k) for k in (1, MOST_LABELS) for p in (SELECTED, PATCHES)]:
        batch = _batch(chosen.batch, labels, at)
        cost = 2 * torch.rand(chosen.batch, patches, 2 * labels, device=at)
        true = true_of(batch.target)
        ways = {
            "loop": partial(_one_by_one, cost, true, epsilon),
            "ours": partial(plan, cost, true, epsilon),
        }
        apart = float((ways["loop"]() - ways["ours"]()).abs().max()) * patches
        taken = _ratios(ways, chosen, batch)
        ratio = median(a / b for a, b in zip(taken["loop"], taken["ours"], strict=True))
        times = [f"{1000 * median(taken[name]):.1f}" for name in ways]
        table.add_row(str(patches), str(labels), *times, f"{ratio:.1f}", f"{apart:.1e}")
    Console(width=120).print(table)


def _ratios(
    ways: Mapping[str, Callable[[], Tensor]], chosen: argparse.Namespace, batch: Batch
) -> dict[str, list[float]]:
    """Return seconds by way and round, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, way in ways.items():
            taken[name].append(_seconds(way, chosen.steps, batch))
    return taken


def _one_by_one(cost: Tensor, true: Tensor, epsilon: float) -> Tensor:
    """Return the plans of costs (n, p, l) by a loop over images, as POT is commonly used."""
    found = torch.zeros_like(cost)
    for number, (each, some) in enumerate(zip(cost, true, strict=True)):
        there = some.nonzero()[:, 0]
        patches = each.new_full((len(each),), 1 / len(each))
        phrases = each.new_full((len(there),), 1 / len(there))
        found[number, :, there] = ot.sinkhorn(
            patches,
            phrases,
            each[:, there],
            epsilon,
            method="sinkhorn_log",
            numItermax=ITERATIONS,
            stopThr=TOLERANCE,
            warn=False,
        )
    return found


def _wait(at: torch.device) -> None:
    if at.type == "cuda":
        torch.cuda.synchronize(at)


def _where(at: torch.device) -> str:
    if at.type == "cuda":
        return torch.cuda.get_device_name(at)
    return f"CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
