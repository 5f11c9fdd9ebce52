"""The training loop: one for every method, none of which it knows by name."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cxrfair import distributed
from cxrfair.hashing import stable_hash
from cxrfair.images.store import Store
from cxrfair.methods import Method
from cxrfair.progress import Meter, meter, say
from cxrfair.training import (
    batches,
    checkpoint,
    device,
    guards,
    interrupts,
    judging,
    optimisers,
    sampling,
    schedules,
)
from cxrfair.training.config import Plateau, TrainConfig
from cxrfair.training.examples import Examples
from cxrfair.training.interrupts import Asked, InterruptedTrainingError
from cxrfair.training.ledger import Ledger, Report
from cxrfair.training.norms import synchronise_norms
from cxrfair.training.step import Stepper

Watch = Callable[[int, Mapping[str, float]], None]
Order = NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """One training: its data, settings, seed and processor.

    `images` are the ids of the training examples (n,), `repeats` (n,) how often an epoch takes
    each, None for once; `title` is what its progress is shown under.
    """

    train: Examples
    validation: Examples
    store: Store
    config: TrainConfig
    seed: int
    device: torch.device
    images: NDArray[np.object_]
    repeats: NDArray[np.int64] | None = None
    title: str = "train"


def fit(method: Method[Any], run: Run, saved: Path, watch: Watch) -> checkpoint.Progress:
    """Train `method` in place; go on from `saved` where an interrupted run left it.

    `watch(epoch, numbers)` is told of every epoch as it ends. Each step starts from a random state
    made of seed, epoch, step and process alone, so a resumed run gives the same bytes as an
    uninterrupted one.

    Raises
    ------
    LossError
        If a loss stops being finite; the last finite state is kept in `saved`.
    InterruptedTrainingError
        If a signal asked the process to stop; its state is in `saved`.
    MemoryShortError
        If a step does not fit into the memory of the GPU.
    """
    training = Training(method, run, saved, watch)
    with interrupts.watched() as asked, training.display() as shown:
        while not training.over():
            training.epoch(asked, shown)
    method.net.load_state_dict(training.progress.best)
    return training.progress


class Training:
    """One run under way: what `fit` goes through, epoch by epoch."""

    def __init__(self, method: Method[Any], run: Run, saved: Path, watch: Watch) -> None:
        self.method, self.run, self.saved, self.watch = method, run, saved, watch
        config = run.config
        device.place(method, run.device)
        synchronise_norms(method)
        self.optimisers = optimisers.build(method, config.optimiser)
        self.precision = device.precision(config.precision, run.device)
        self.stepper = Stepper(method, self.optimisers, self.precision, config.clip_norm)
        self.judge = judging.Judge(run.validation, run.store, config, run.device)
        self.source = batches.Source(run.train, run.store, config.augment, run.device)
        here = distributed.world()
        self.share = sampling.Share(here.rank, here.size, config.accumulate)
        self.progress = checkpoint.load(saved, method, self.optimisers)
        if self.progress.epoch or self.progress.step:
            self.progress.resumed += 1
            if distributed.is_first():
                say(f"train: a stopped run goes on after {self._where()}")

    def over(self) -> bool:
        """Say whether all epochs are done, or enough have passed without a better one."""
        done = self.progress.epoch >= self.run.config.epochs
        return done or self.judge.tired(self.progress.history)

    def display(self) -> Meter:
        """Show how far all epochs are."""
        order, cut = self._plan(1)
        done = self.progress.epoch * len(order) + sum(map(len, cut[: self.progress.step]))
        epochs = self.run.config.epochs
        return meter(self.run.title, "images", len(order) * epochs, done, epochs)

    def epoch(self, asked: Asked, shown: Meter) -> None:
        """Take one pass over the training list, or what is left of it, and judge the network."""
        epoch, first = self.progress.epoch + 1, self.progress.step
        order, cut = self._plan(epoch)
        pieces = sampling.plan(order, self.run.config.batch_size, self.share)
        book = Ledger(self.progress.totals)
        begun = time.monotonic()
        self.method.train()
        slow_downs = self._slow_downs()
        with closing(batches.stream(self.source, pieces[first:], self.run.seed, epoch)) as read:
            for step, parts in enumerate(read, first + 1):
                self._prepare(epoch, step, len(cut), slow_downs)
                with guards.memory_explained(self.run.config, self.run.device):
                    told = self.stepper.step(parts, sampling.shares(len(cut[step - 1]), self.share))
                book.waiting.append(Report(step, cut[step - 1], *told))
                self.progress.step = step
                self._between(cut, book, asked, shown)
        self._look(book)
        speed = sum(map(len, cut[first:])) / (time.monotonic() - begun)
        numbers = self._close(len(order))
        shown.advance(0, {**book.latest, self.judge.name: numbers[self.judge.name]})
        # How fast it went is shown and not kept: it differs from run to run.
        seen = {"images_per_second": speed, **self._memory()}
        self.watch(self.progress.epoch, {**numbers, **seen})

    def _plan(self, epoch: int) -> tuple[Order, list[Order]]:
        """Return an epoch's order and its batches, the same in every process."""
        run = self.run
        order = sampling.epoch_order(run.train.weight, run.repeats, run.seed, epoch)
        return order, sampling.batches(order, run.config.batch_size)

    def _slow_downs(self) -> int:
        """Count how often the measure met a plateau, where the schedule asks for it."""
        schedule = self.run.config.schedule
        if not isinstance(schedule, Plateau):
            return 0
        scores = self.judge.scores(self.progress.history)
        return schedules.reductions(scores, schedule.patience_epochs, self.judge.better)

    def _prepare(self, epoch: int, step: int, steps: int, slow_downs: int) -> None:
        """Set random state and learning rate of a step from its place alone."""
        config, place = self.run.config, (self.run.seed, epoch, step, self.share.rank)
        torch.manual_seed(stable_hash("step", *place))
        made = (epoch - 1) * steps + step - 1
        factor = schedules.factor(config.schedule, made, steps, config.epochs, slow_downs)
        for optimiser in self.optimisers.values():
            optimisers.set_rate(optimiser, factor)

    def _between(self, cut: list[Order], book: Ledger, asked: Asked, shown: Meter) -> None:
        """After a step: look at what it told, save where it is time, stop where asked to."""
        step = self.progress.step
        due = step % self.run.config.checkpoint_steps == 0
        if self.share.world == 1:
            stop = asked.name != ""
        else:  # processes agree, but only now and then: to ask the others takes time
            stop = (book.full or due or step == len(cut)) and _anyone(asked)
        if book.full or due or stop:
            self._look(book)
        shown.advance(len(cut[step - 1]), book.latest | self._memory())
        if due or stop:
            self._save()
        if stop:
            raise InterruptedTrainingError(
                f"train: stopped by {asked.name or 'another process'} after {self._where()}; "
                "the same command goes on from there"
            )

    def _look(self, book: Ledger) -> None:
        """Fetch the numbers of the last steps and refuse those that are none."""
        found = book.look()
        if found is not None:
            report, what = found
            where = f"epoch {self.progress.epoch + 1}, step {report.step}"
            raise guards.broken_step(where, what, self.run.images[report.pick], self.saved)

    def _close(self, entries: int) -> dict[str, float]:
        """End an epoch: judge the network, note numbers, keep the weights if they are wanted."""
        progress, config = self.progress, self.run.config
        numbers = {f"train_{key}": value / entries for key, value in progress.totals.items()}
        rates = (group["lr"] for group in next(iter(self.optimisers.values())).param_groups)
        numbers["learning_rate"] = float(next(rates))
        with self.precision():
            numbers |= self.judge.measure(self.method.net)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.totals.clear()
        progress.history += [(progress.epoch, k, v) for k, v in sorted(numbers.items())]
        score = numbers[self.judge.name]
        better = schedules.improves(score, progress.best_score, self.judge.better)
        if config.select == "last" or better or not progress.best:
            progress.best_epoch, progress.best_score = progress.epoch, score
            progress.best = _weights(self.method)
        if progress.epoch <= config.early_epochs:
            progress.early_epoch, progress.early = progress.epoch, _weights(self.method)
        self._save()
        return numbers

    def _save(self) -> None:
        """Write the state, from the first process; all hold the same."""
        guards.refuse_broken_weights(self.method, self._where(), self.saved)
        if distributed.is_first():
            checkpoint.save(self.saved, self.method, self.optimisers, self.progress)

    def _memory(self) -> dict[str, float]:
        """Return the most memory the GPU has held so far; nothing on a CPU."""
        if self.run.device.type != "cuda":
            return {}
        return {"gpu_memory_gb": torch.cuda.max_memory_allocated(self.run.device) / 1e9}

    def _where(self) -> str:
        step = f", step {self.progress.step}" if self.progress.step else ""
        epoch = self.progress.epoch + (1 if step else 0)
        return f"epoch {epoch}{step}"


def _anyone(asked: Asked) -> bool:
    return distributed.any_true(asked.name != "")


def _weights(method: Method[Any]) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().clone() for key, value in method.net.state_dict().items()}
