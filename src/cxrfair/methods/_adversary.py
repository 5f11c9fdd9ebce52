"""What methods with an adversary share: who plays, what it is told, how its guesses are judged."""

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._method import (
    LEARNER,
    Batch,
    Groups,
    Method,
    Player,
    Turn,
    masked_bce,
    mean_over,
)
from cxrfair.methods._network import Network, Representation
from cxrfair.ranges import Between

ADVERSARY = "adversary"


class RivalConfig(Section):
    """What every adversary has."""

    rate: Annotated[
        PositiveFloat,
        Between(0.1, 10, log=True),
        Field(description="learning rate of the adversary, times that of `train`"),
    ]


class OpposedConfig(RivalConfig):
    """What every adversary has that the learner works against."""

    alpha: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="how hard the learner works against the adversary"),
    ]


class GuesserConfig(RivalConfig):
    """What every adversary with a layer of its own has."""

    hidden: Annotated[
        PositiveInt,
        Between(16, 1024, log=True),
        Field(description="units in the one hidden layer of the adversary"),
    ]


class ReversalConfig(GuesserConfig, OpposedConfig):
    """What every adversary behind a reversed gradient has."""


R = TypeVar("R", bound=RivalConfig)


class Contest(Method[R]):
    """A network and an `adversary`, each of which moves its own parameters only."""

    adversary: nn.Module

    def players(self) -> dict[str, Player]:
        """Return the network, and the adversary at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            ADVERSARY: Player(tuple(self.adversary.parameters()), self.config.rate),
        }


class Reversal(Contest[ReversalConfig]):
    """A learner that minimises L - alpha L_A against an adversary that minimises L_A.

    L is the learner's mean loss, L_A the adversary's mean cross entropy in guessing the group. The
    learner moves, then the adversary, both from one forward pass: the update of a layer that turns
    the gradient round, with a learning rate of the adversary's own. What the adversary sees is
    detached in its own turn, so that it never moves the network.
    """

    uses_groups = True
    config_type = ReversalConfig

    def __init__(
        self, net: Network, groups: Groups, config: ReversalConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        inputs = self.inputs(net.width, net.head.out_features)
        self.adversary = guesser(inputs, config.hidden, groups)

    @staticmethod
    def inputs(width: int, labels: int) -> int:
        """Return how many numbers the adversary sees of an image: v in `seen`."""
        raise NotImplementedError

    @staticmethod
    def seen(made: Representation, target: Tensor) -> Tensor:
        """Return what the adversary sees of images (n, v), float32, with its gradient."""
        raise NotImplementedError

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner, then the adversary."""
        made = self.net.represent(batch.image)
        losses, present = gathered_bce(made.logit, batch.target)
        loss, seen = mean_over(losses, present), self.seen(made, batch.target)
        told = group_doubt(self.adversary, (seen,), batch.group)
        opposed = loss - self.config.alpha * mean_over(told, present)
        yield Turn(opposed, reported=loss)
        told = group_doubt(self.adversary, (seen.detach(),), batch.group)
        yield Turn(mean_over(told, present), ADVERSARY)


def guesser(inputs: int, hidden: int, groups: Groups) -> nn.Sequential:
    """Return a perceptron with one hidden layer, from what is seen (n, inputs) to logits (n, g)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, len(groups.names)))


def gathered_bce(logit: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `masked_bce` does, for the images of all processes."""
    losses, present = masked_bce(logit, target)
    return gather(losses), gather(present)


def group_doubt(adversary: nn.Module, seen: Sequence[Tensor], group: Tensor) -> Tensor:
    """Return the adversary's cross entropies (n,) in float32, for the images of all processes.

    `adversary` maps what it has `seen`, each (n, ...), to logits (n, g) of the groups.
    """
    with torch.autocast(group.device.type, enabled=False):
        guess = adversary(*(each.float() for each in seen))
        return gather(functional.cross_entropy(guess, group, reduction="none"))


def centred(target: Tensor) -> Tensor:
    """Return labels (n, k) measured from 0.5, so that a missing one is 0 and moves no weight.

    A bias takes the difference. A label learnt as half true looks missing too.
    """
    return torch.nan_to_num(target - 0.5, nan=0.0)
