"""What steps report, fetched from the device a few steps at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LOOK_EVERY_STEPS = 16  # fetching a number from a GPU waits for all the work before it


@dataclass(frozen=True)
class Report:
    """What one step tells: its examples, its losses and its other numbers, each ()."""

    step: int
    pick: NDArray[np.int64]
    losses: Mapping[str, Tensor]
    numbers: Mapping[str, Tensor]


@dataclass
class Ledger:
    """Reports of one epoch's steps; `totals` are sums over images, in the order of the steps."""

    totals: dict[str, float]
    latest: dict[str, float] = field(default_factory=dict)
    waiting: list[Report] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Return whether it is time to look."""
        return len(self.waiting) >= LOOK_EVERY_STEPS

    def look(self) -> tuple[Report, str] | None:
        """Fetch what is waiting and add it up, as far as losses are finite.

        Returns
        -------
        tuple or None
            The first report with a loss that is not finite, and which loss is what.
        """
        reports, self.waiting = self.waiting, []
        for report, values in zip(reports, _fetch(reports), strict=True):
            self.latest = values
            bad = [f"{name} is {values[name]}" for name in report.losses]
            broken = [not math.isfinite(values[name]) for name in report.losses]
            if any(broken):
                return report, bad[broken.index(True)]
            for name, value in values.items():
                self.totals[name] = self.totals.get(name, 0.0) + value * len(report.pick)
        return None


def _fetch(reports: list[Report]) -> list[dict[str, float]]:
    """Copy all numbers of some steps from the device at once."""
    held = [{**report.losses, **report.numbers} for report in reports]
    flat = [value.detach().double().reshape(()) for numbers in held for value in numbers.values()]
    values = iter(torch.stack(flat).cpu().tolist() if flat else [])
    return [{name: next(values) for name in numbers} for numbers in held]
