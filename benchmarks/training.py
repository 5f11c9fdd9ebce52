"""The training engine: its steps, epochs and loader, beside the usual way, in one run.

Run `python benchmarks/training.py [step epoch engine gpu] [--threads 1] [--rounds 5] [--pixels
512]`; without a word it does all four. It keeps to two cores.

`step`: ResNet-18 at 224 px, batches of 16: a step on batches from the store against one on a batch
that is there already, with and without augmentation, in turns.

`epoch`: JPEGs of 2544 x 3056 and of `--pixels` (square), phantoms with grain. The usual way is a
`DataLoader` whose items are decoded by Pillow, resized to 224 px in three channels and augmented by
torchvision on the CPU (flip, rotation, resized crop), as CXR_Fairness (Zhang 2022) does, which
has one worker; two are shown too. MEDFAIR keeps small pictures in memory instead: `in memory` is
that, the same transforms without the decoding. Ours reads the store, and changes shift and
intensity too. Networks, optimisers, batches and threads are the same on all sides.

`engine`: the demo's training (test_resnet, 64 px) by `fit`, with validation and checkpoints,
against bare forward and backward passes and optimiser steps.

`gpu`: images a second and share of the peak; needs CUDA. FLOPs are those of matrix products and
convolutions (torch.utils.flop_counter). Peaks default to an H200's, dense.
"""

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from cxrfair import backbones, methods, torchvision_ops
from cxrfair.images.augment import AugmentConfig
from cxrfair.images.decode import decode
from cxrfair.images.store import Store
from cxrfair.methods import Batch, Groups, Method
from cxrfair.phantom import PhantomConfig, scene
from cxrfair.phantom.writers.nih_chestxray14 import PROFILE
from cxrfair.scales import at_scale
from cxrfair.training import batches, checkpoint, device, judging, loop, optimisers, sampling
from cxrfair.training.config import Adam, TrainConfig
from cxrfair.training.examples import Examples
from cxrfair.training.step import Stepper

torchvision_ops.declare_if_missing()

from torchvision import transforms  # noqa: E402 - needs the line above

SETTINGS = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
WIDTH, HEIGHT = 2544, 3056
SIZE, LABELS = 224, 14
CPU = torch.device("cpu")
OFF = AugmentConfig(flip=0, rotation_degrees=0, shift=0, intensity=0, crop=0)
# A crop of 0.134 leaves three quarters of the area.
ON = AugmentConfig(flip=0.5, rotation_degrees=10, shift=0.05, intensity=0.1, crop=0.134)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    """Measure what is asked for and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["step", "epoch", "engine", "gpu"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=128, help="JPEGs of an epoch")
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--batch", type=int, default=256, help="on a GPU")
    parser.add_argument("--compile", action="store_true", help="on a GPU")
    parser.add_argument("--peak-bf16", type=float, default=989, help="TFLOP/s of the GPU")
    parser.add_argument("--peak-fp32", type=float, default=67, help="TFLOP/s of the GPU")
    chosen = parser.parse_args()
    known = {"step": _steps, "epoch": _epochs, "engine": _engine, "gpu": _gpu}
    if "gpu" not in chosen.what or len(chosen.what) > 1:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    device.make_deterministic(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        for word in chosen.what:
            known[word](chosen, Path(folder))


@dataclass
class Clock:
    """Wall and CPU seconds of things that take turns."""

    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        """Time a block; the CPU seconds are of this process and all its threads."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu.setdefault(what, []).append(time.process_time() - cpu)
        self.wall.setdefault(what, []).append(time.perf_counter() - wall)

    def ratio(self, what: str, base: str, of: str = "wall") -> float:
        """Return the median over rounds of one thing's time to another's."""
        taken: Mapping[str, list[float]] = getattr(self, of)
        return median(a / b for a, b in zip(taken[what], taken[base], strict=True))


@dataclass(frozen=True)
class Learning:
    """A method with its optimiser, as the engine makes them."""

    method: Method[Any]
    stepper: Stepper


def _learning(
    name: str, size: int, channels: int, precision: str = "fp32", at: torch.device = CPU
) -> Learning:
    torch.manual_seed(0)
    kind = methods.get("erm")
    net = backbones.build(name, "none", LABELS, size, channels)
    method = kind(net, Groups(("all",), (1,)), kind.config_type(weighted_bce=False))
    device.place(method, at)
    method.train()
    adam = Adam(kind="adamw", learning_rate=1e-4, weight_decay=1e-4)
    made = optimisers.build(method, adam)
    return Learning(method, Stepper(method, made, device.precision(precision, at), None))


def _store(folder: Path, pixels: np.ndarray) -> Store:
    """Write pixels (n, s, s) as the image stage does."""
    np.save(folder / "pixels.npy", pixels)
    ids = [f"i{number}" for number in range(len(pixels))]
    index = pd.DataFrame({"image_id": ids, "row": range(len(pixels)), "quarantine": None})
    return Store(folder / "pixels.npy", index)


def _examples(count: int, first: int = 0) -> Examples:
    rng = np.random.default_rng(count)
    target = rng.integers(0, 2, (count, LABELS)).astype(np.float32)
    rows = np.arange(first, first + count)
    return Examples(rows, target, np.zeros(count, np.int64), np.ones(count), rows)


def _stream(source: batches.Source, size: int, epoch: int = 1) -> Iterator[list[Batch]]:
    order = sampling.epoch_order(source.examples.weight, None, 0, epoch)
    plan = sampling.plan(order, size, sampling.Share())
    with closing(batches.stream(source, plan, 0, epoch)) as steps:
        yield from steps


def _noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)


def _steps(chosen: argparse.Namespace, folder: Path) -> None:
    """Compare steps on the store with steps on one batch."""
    batch, rounds = 16, 3 * chosen.rounds
    store, known = _store(folder, _noise(1024, SIZE)), _examples(1024)
    learning = _learning("resnet18", SIZE, 1)
    ways = {"store": OFF, "store, augmented": ON}
    reads = {
        way: _stream(batches.Source(known, store, augment, CPU), batch)
        for way, augment in ways.items()
    }
    (fixed,) = next(_stream(batches.Source(known, store, OFF, CPU), batch))
    clock = Clock()
    for _ in range(3):
        learning.stepper.step([fixed], [1.0])
    for _ in range(rounds):
        with clock.time("one batch"):
            learning.stepper.step([fixed], [1.0])
        for way, read in reads.items():
            with clock.time(way):
                learning.stepper.step(next(read), [1.0])
    title = f"a step of resnet18, {SIZE} px, {batch} images, {chosen.threads} thread(s)"
    table = Table("", "ms", "ratio", "CPU ms", "ratio of CPU", title=title)
    for way in ("one batch", *ways):
        numbers = (
            f"{1e3 * median(clock.wall[way]):.0f}",
            f"{clock.ratio(way, 'one batch'):.3f}",
            f"{1e3 * median(clock.cpu[way]):.0f}",
            f"{clock.ratio(way, 'one batch', 'cpu'):.3f}",
        )
        table.add_row(way, *numbers)
    Console().print(table)


class Pictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """JPEGs, or pictures in memory, item by item as the peers take them."""

    def __init__(self, held: list[Path] | list[np.ndarray], target: np.ndarray) -> None:
        self.held, self.target = held, torch.from_numpy(target)
        self.change = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomRotation(10),
                transforms.RandomResizedCrop(SIZE, scale=(0.75, 1.0)),
                transforms.ToTensor(),
                transforms.Normalize(*IMAGENET),
            ]
        )

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode one picture, where it is a file, and change it."""
        held = self.held[place]
        grey = Image.open(held) if isinstance(held, Path) else Image.fromarray(held)
        return self.change(grey.convert("RGB")), self.target[place]


def _epochs(chosen: argparse.Namespace, folder: Path) -> None:
    """Compare epochs and loaders over the same pictures."""
    known = _examples(chosen.images)
    paths = dict(_jpegs(folder, chosen.images, chosen.pixels))
    small = np.stack([decode(path, SIZE)[0] for path in paths["full size"]])
    source = batches.Source(known, _store(folder, small), ON, CPU)
    held = {name: Pictures(found, known.target) for name, found in paths.items()}
    held[f"in memory, {SIZE} px"] = Pictures(list(small), known.target)
    for name in (None, "test_resnet", "test_vit"):
        clock = Clock()
        networks = [_learning(name, SIZE, 3) for _ in range(2)] if name else [None, None]
        passes = 1 if name else 8  # the loader alone is over too soon to be timed once
        for round_ in range(chosen.rounds):
            with clock.time("ours"):
                for epoch in range(1, passes + 1):
                    _ours(source, networks[0], round_ * passes + epoch)
            clock.wall["ours"][-1] /= passes
            for way, pictures in held.items():
                for workers in (1, 2):
                    with clock.time(f"{way}, {workers} worker(s)"):
                        _theirs(pictures, workers, networks[1])
        _show_epochs(clock, chosen, name or "loader alone")


def _show_epochs(clock: Clock, chosen: argparse.Namespace, name: str) -> None:
    what = f"an epoch of {chosen.images} pictures, {name}, {chosen.threads} thread(s)"
    table = Table("", "images/s", "ours is so many times as fast", title=what)
    for way, taken in clock.wall.items():
        rate = chosen.images / median(taken)
        table.add_row(way, f"{rate:,.0f}", f"{clock.ratio(way, 'ours'):.1f}")
    Console().print(table)


def _ours(source: batches.Source, learning: Learning | None, epoch: int) -> None:
    for parts in _stream(source, 32, epoch):
        if learning is not None:
            learning.stepper.step(parts, [1.0])


def _theirs(pictures: Pictures, workers: int, learning: Learning | None) -> None:
    for image, target in DataLoader(pictures, 32, shuffle=True, num_workers=workers):
        if learning is not None:
            _plain_step(learning, image.contiguous(memory_format=torch.channels_last), target)


def _plain_step(learning: Learning, image: torch.Tensor, target: torch.Tensor) -> None:
    """Make a step as one writes it by hand, on images that are normalised already."""
    net: Any = learning.method.net
    (optimiser,) = learning.stepper.optimisers.values()
    optimiser.zero_grad(set_to_none=True)
    pooled = net.body.forward_head(net.body.forward_features(image), pre_logits=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(net.head(pooled), target)
    loss.backward()
    optimiser.step()


def _jpegs(folder: Path, count: int, pixels: int) -> Iterator[tuple[str, list[Path]]]:
    """Write phantoms as JPEGs of two sizes, the large ones of MIMIC-CXR-JPG's 1.5 MB."""
    config = PhantomConfig.parse(json.dumps(at_scale(SETTINGS["phantom"], "demo")), "phantom")
    rows = scene.build(config, PROFILE, np.arange(count)).iloc[:count]
    drawn = np.concatenate([found.grey for _, found in scene.batches(rows, pixels)])
    grain = np.random.default_rng(0).normal(0, 2, (HEIGHT, WIDTH)).astype(np.float32)
    for name, size in (("full size", (WIDTH, HEIGHT)), (f"{pixels} px", (pixels, pixels))):
        paths = []
        for number, grey in enumerate(drawn):
            picture = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
            if size == (WIDTH, HEIGHT):
                picture = (picture + np.roll(grain, 17 * number, 0)).clip(0, 255).astype(np.uint8)
            held = io.BytesIO()
            Image.fromarray(picture).save(held, "JPEG", quality=95)
            paths.append(folder / f"{size[0]}_{number}.jpg")
            paths[-1].write_bytes(held.getvalue())
        megabytes = np.mean([path.stat().st_size for path in paths]) / 1e6
        Console().print(f"{len(paths)} JPEGs of {size[0]} x {size[1]}, {megabytes:.2f} MB")
        yield name, paths


def _engine(chosen: argparse.Namespace, folder: Path) -> None:
    """Compare `fit` with bare steps, and time what it does beside them."""
    settings = at_scale(SETTINGS["train"], "demo") | {"epochs": 2, "early_epochs": 1}
    config = TrainConfig.parse(json.dumps(settings), "train")
    size, count, judged = SETTINGS["images"]["size"]["demo"], 896, 320
    run = loop.Run(
        train=_examples(count),
        validation=_examples(judged, count),
        store=_store(folder, _noise(count + judged, size)),
        config=config,
        seed=0,
        device=CPU,
        images=np.array([f"i{number}" for number in range(count)], object),
    )
    clock, images = Clock(), config.epochs * count
    image = torch.rand(config.batch_size, 1, size, size)
    image = image.contiguous(memory_format=torch.channels_last)
    target = torch.zeros(config.batch_size, LABELS)
    for round_ in range(chosen.rounds):
        bare = _learning(config.backbone, size, 1)
        with clock.time("bare steps"):
            for _ in range(images // config.batch_size):
                _plain_step(bare, image, target)
        method = _learning(config.backbone, size, 1).method
        with _watched() as spent, clock.time("fit"):
            loop.fit(method, run, folder / f"{round_}.safetensors", lambda *_: None)
        for what, cpu in spent.cpu.items():
            clock.cpu.setdefault(what, []).append(sum(cpu))
            clock.wall.setdefault(what, []).append(sum(spent.wall[what]))
    title = f"{config.backbone}, {size} px, {count} images, {judged} to validate, {config.epochs}"
    table = Table("", "s", "CPU s", "share of fit's CPU", title=f"{title} epochs")
    for what, cpu in clock.cpu.items():
        share = f"{clock.ratio(what, 'fit', 'cpu'):.1%}"
        table.add_row(what, f"{median(clock.wall[what]):.2f}", f"{median(cpu):.2f}", share)
    Console().print(table)
    rates = [images / median(clock.cpu[way]) for way in ("fit", "bare steps")]
    Console().print("images a CPU second: fit {:.0f}, bare steps {:.0f}".format(*rates))


@contextmanager
def _watched() -> Iterator[Clock]:
    """Time parts of the engine while it runs."""
    spent = Clock()
    parts: Iterable[tuple[str, Any, str]] = (
        ("- steps", Stepper, "step"),
        ("- validation", judging.Judge, "measure"),
        ("- batches made ready", batches, "_batch"),
        ("- checkpoints", checkpoint, "save"),
    )
    patched = [
        mock.patch.object(o, name, _timed(spent, w, getattr(o, name))) for w, o, name in parts
    ]
    for each in patched:
        each.start()
    try:
        yield spent
    finally:
        for each in patched:
            each.stop()


def _timed(clock: Clock, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        with clock.time(what):
            return call(*given, **named)

    return timed


def _gpu(chosen: argparse.Namespace, folder: Path) -> None:
    """Measure images a second and the share of the peak; say so where there is no GPU."""
    if not torch.cuda.is_available():
        Console().print("no CUDA device: not measured")
        return
    at = torch.device("cuda", 0)
    peaks = {"bf16": chosen.peak_bf16, "fp32": chosen.peak_fp32}
    source = batches.Source(_examples(8192), _store(folder, _noise(8192, SIZE)), ON, at)
    title = f"{torch.cuda.get_device_name(at)}, {SIZE} px, batches of {chosen.batch}"
    table = Table(
        *("network", "precision", "images/s", "TFLOP/s", "share of peak", "to one batch"),
        title=title,
    )
    for name in ("resnet18", "resnet50", "vit_base_patch16_224"):
        for precision, peak in peaks.items():
            learning = _learning(name, SIZE, 1, precision, at)
            flops = _flops(learning, source, chosen.batch)
            if chosen.compile:
                backbones.compile_body(learning.method.net)
            rate, ratio = _throughput(learning, source, chosen.batch)
            made = rate * flops / 1e12
            row = (f"{rate:,.0f}", f"{made:.0f}", f"{made / peak:.1%}", f"{ratio:.3f}")
            table.add_row(name, precision, *row)
    Console().print(table)


def _flops(learning: Learning, source: batches.Source, batch: int) -> float:
    """Count the operations of a step, forward and backward, an image."""
    parts = next(_stream(source, batch))
    with FlopCounterMode(display=False) as counter:
        learning.stepper.step(parts, [1.0])
    return float(counter.get_total_flops()) / len(parts[0].image)


def _throughput(
    learning: Learning, source: batches.Source, batch: int, steps: int = 100
) -> tuple[float, float]:
    """Return images a second from the store, and the time of a step to that on one batch."""
    fixed = next(_stream(source, batch))
    endless = (parts for epoch in cycle(range(1, 99)) for parts in _stream(source, batch, epoch))
    taken = []
    for read in (cycle([fixed]), endless):
        for parts in islice(read, 20):  # kernels are chosen, memory is taken
            learning.stepper.step(parts, [1.0])
        _wait(source.device)
        images, start = 0, time.perf_counter()
        for parts in islice(read, steps):
            learning.stepper.step(parts, [1.0])
            images += len(parts[0].image)
        _wait(source.device)
        taken.append((time.perf_counter() - start) / images)
    return 1 / taken[1], taken[1] / taken[0]


def _wait(at: torch.device) -> None:
    """Wait for a GPU to be done."""
    if at.type == "cuda":
        torch.cuda.synchronize(at)


if __name__ == "__main__":
    main()
