"""Progress of long work: a bar with rate and time left in a terminal, sparse lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_EVERY_S = 15.0

T = TypeVar("T")


def say(text: str) -> None:
    """Write one line to stderr, where the rules collect their logs."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def track(items: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, showing how many are done, the rate and the time left."""
    count = len(items) if total is None and isinstance(items, Sized) else total
    if sys.stderr.isatty():
        yield from _bar(items, what, unit, count)
    else:
        yield from _lines(items, what, unit, count)


def _bar(items: Iterable[T], what: str, unit: str, total: int | None) -> Iterator[T]:
    speed = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, rate="")
        started = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            rate = _rate(done, time.monotonic() - started, unit)
            progress.update(task, advance=1, rate=rate)


def _lines(items: Iterable[T], what: str, unit: str, total: int | None) -> Iterator[T]:
    started = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_EVERY_S:
            last = now
            seconds = now - started
            left = f", {(total - done) * seconds / done:,.0f} s left" if total else ""
            say(f"{what}: {done:,} of {total or '?'}, {_rate(done, seconds, unit)}{left}")
    seconds = time.monotonic() - started
    say(f"{what}: {done:,} in {seconds:.1f} s, {_rate(done, seconds, unit)}")


def _rate(done: int, seconds: float, unit: str) -> str:
    """Say how fast it goes, with two digits where it is slow."""
    rate = done / max(seconds, 1e-9)
    return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2g} {unit}/s"
