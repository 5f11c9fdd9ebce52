"""How good a network is after an epoch, on validation images it never learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cxrfair.distributed import gather, world
from cxrfair.images.store import Store
from cxrfair.methods import Network
from cxrfair.training import schedules, scoring, validation
from cxrfair.training.config import TrainConfig
from cxrfair.training.examples import Examples
from cxrfair.training.schedules import Direction

History = Sequence[tuple[int, str, float]]


@dataclass(frozen=True)
class Judge:
    """The validation examples, and what they are judged by."""

    examples: Examples
    store: Store
    config: TrainConfig
    device: torch.device

    @property
    def name(self) -> str:
        """Return the measure's name in the history."""
        return f"validation_{self.config.validation.measure}"

    @property
    def better(self) -> Direction:
        """Return the measure's better direction."""
        return validation.better(self.config.validation.measure)

    def measure(self, net: Network) -> dict[str, float]:
        """Judge a network; each process scores its part and all get the numbers of the whole."""
        here = world()
        mine = self.examples.row[here.rank :: here.size]
        logit = gather(scoring.score(net, self.store, mine, self.device))
        return validation.measure(
            self.config.validation.measure, logit.numpy(), self.examples.target
        )

    def scores(self, history: History) -> list[float]:
        """Return the measure after each epoch so far."""
        return [value for _, name, value in history if name == self.name]

    def tired(self, history: History) -> bool:
        """Say whether so many epochs have passed without a better one that it is time to stop."""
        patience = self.config.validation.patience_epochs
        return patience is not None and (
            schedules.stale(self.scores(history), self.better) >= patience
        )
