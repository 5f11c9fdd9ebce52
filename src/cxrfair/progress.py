"""Progress of long work: a bar with rate and time left in a terminal, sparse lines in a log."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Self, TypeVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LOG_EVERY_S = 15.0

T = TypeVar("T")


def say(text: str) -> None:
    """Write one line to stderr, where the rules collect their logs."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def track(items: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, showing how many are done, the rate and the time left."""
    count = len(items) if total is None and isinstance(items, Sized) else total
    with meter(what, unit, count) as shown:
        for item in items:
            yield item
            shown.advance(1)


def meter(
    what: str, unit: str, total: int | None = None, done: int = 0, epochs: int = 0
) -> "Meter":
    """Show work that is told of as it goes: `with meter(...) as m: m.advance(32, {"loss": 0.4})`.

    Parameters
    ----------
    what, unit
        What is done, and what is counted.
    total, done
        All of the work, over all epochs, and how much of it an earlier process has done.
    epochs
        Rounds of equal size that `total` is made of; 0 for work that has none.
    """
    if os.environ.get("RANK", "0") != "0":  # torchrun's: of several processes, the first shows
        return Meter(what, unit, total, done, epochs)
    kind = _Bar if sys.stderr.isatty() else _Lines
    return kind(what, unit, total, done, epochs)


class Meter:
    """How far some work is; rate and time left count only what this process did of it.

    This class itself shows nothing.
    """

    def __init__(self, what: str, unit: str, total: int | None, done: int, epochs: int) -> None:
        self._what, self._unit, self._total, self._epochs = what, unit, total, epochs
        self._done = self._before = done
        self._numbers: Mapping[str, float | str] = {}
        self._started = self._now = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the display."""

    def advance(self, count: int, numbers: Mapping[str, float | str] | None = None) -> None:
        """Note that `count` more are done; each of `numbers` is shown until it comes again."""
        self._done += count
        self._numbers = {**self._numbers, **(numbers or {})}
        self._now = time.monotonic()

    @property
    def _seconds(self) -> float:
        return self._now - self._started

    def _rate(self) -> str:
        """Say how fast it goes, with two digits where it is slow."""
        rate = (self._done - self._before) / max(self._seconds, 1e-9)
        return f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s"

    def _left(self) -> list[str]:
        """Say how long the rest takes at the rate so far; nothing where that is not known."""
        mine = self._done - self._before
        if not self._total or not mine:
            return []
        return [f"{_duration((self._total - self._done) * self._seconds / mine)} left"]

    def _epoch(self) -> int:
        """Return the epoch of what was done last, counted from one."""
        return max(1, -(-self._done // self._size()))

    def _size(self) -> int:
        return max(1, (self._total or 0) // self._epochs)

    def _where(self) -> str:
        if not self._epochs:
            return f"{self._done:,} of {self._total or '?'}"
        epoch, size = self._epoch(), self._size()
        inside = self._done - (epoch - 1) * size
        return f"epoch {epoch} of {self._epochs}, {inside:,} of {size:,} {self._unit}"

    def _shown(self) -> list[str]:
        """Write the numbers beside their names, three digits each."""
        each = self._numbers.items()
        return [f"{k} {v}" if isinstance(v, str) else f"{k} {v:.3g}" for k, v in each]


class _Lines(Meter):
    """A line now and then, and one at the end."""

    def __init__(self, what: str, unit: str, total: int | None, done: int, epochs: int) -> None:
        super().__init__(what, unit, total, done, epochs)
        self._last = self._started

    def advance(self, count: int, numbers: Mapping[str, float | str] | None = None) -> None:
        super().advance(count, numbers)
        if self._now - self._last >= LOG_EVERY_S:
            self._last = self._now
            self._say(self._where(), self._rate(), *self._left(), *self._shown())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._now = time.monotonic()
            counted = f"{self._done - self._before:,}"
            if self._epochs:
                counted = f"epoch {self._epoch()} of {self._epochs}, {counted} {self._unit}"
            self._say(f"{counted} in {self._seconds:.1f} s", self._rate(), *self._shown())

    def _say(self, *parts: str) -> None:
        say(f"{self._what}: {', '.join(parts)}")


class _Bar(Meter):
    """A bar that stays where it is; a line is cut rather than wrapped in a narrow terminal."""

    def __enter__(self) -> Self:
        self._live = Live(self, console=Console(stderr=True))
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the present state: what, the bar, and below it as much as there is to say."""
        share = f"{self._done / max(self._total or 0, 1):.0%}" if self._epochs else self._where()
        ended = self._total is not None and self._done >= self._total
        left = [f"in {_duration(self._seconds)}"] if ended else self._left()
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        bar = ProgressBar(self._total, self._done, pulse=self._total is None)
        row.add_row(bar, "  ".join([share, self._rate(), *left]))
        yield _line(self._what, "bold")
        yield row
        below = [self._where()] if self._epochs else []
        for line in _packed([*below, *self._shown()], options.max_width):
            yield _line(line)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """Put parts beside one another, as many to a line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def _duration(seconds: float) -> str:
    """Write a time with the two units that matter."""
    if seconds < 600:
        return f"{seconds:,.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
