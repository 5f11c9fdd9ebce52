"""One step: every player's turn, over the parts that a batch is computed in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cxrfair.distributed import average_gradients
from cxrfair.errors import CxrfairError
from cxrfair.methods import LEARNER, Batch, Method, Turn
from cxrfair.training import optimisers


@dataclass(frozen=True)
class Stepper:
    """A method, its players' optimisers, and how a step is computed.

    `precision` opens the context in which losses are computed; `clip_norm` bounds the norm of a
    player's gradient, None does not.
    """

    method: Method[Any]
    optimisers: Mapping[str, torch.optim.Optimizer]
    precision: Callable[[], AbstractContextManager[Any]]
    clip_norm: float | None

    def step(
        self, parts: Sequence[Batch], shares: Sequence[float]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Make every turn of one batch; return its losses and its other numbers, each ().

        A loss is that of the batch: the mean of its parts' weighed by `shares`, which sum to 1; of
        a player with several turns, and of a number that several tell, the mean over these turns.
        What a method computes over a batch (group means, say) it computes over a part.
        """
        losses: dict[str, list[Tensor]] = {}
        numbers: dict[str, list[Tensor]] = {}
        games = [self.method.turns(part) for part in parts]
        while turns := self._turn(games, shares):
            player = turns[0].player
            name = "loss" if player == LEARNER else f"{player}_loss"
            losses.setdefault(name, []).append(_mean([turn.loss for turn in turns], shares))
            for key in turns[0].numbers:
                told = _mean([turn.numbers[key] for turn in turns], shares)
                numbers.setdefault(key, []).append(told)
            # Last: what a turn reports may be a parameter itself.
            self._move(player)
        return _over_turns(losses), _over_turns(numbers)

    def _turn(self, games: Sequence[Iterator[Turn]], shares: Sequence[float]) -> list[Turn]:
        """Compute the next turn's gradients part by part; empty when the step is over.

        Each part's graph is freed before the next part is computed: that is what saves memory.
        """
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        found = [self._part(*each) for each in zip(games, shares, strict=True)]
        turns = [turn for turn in found if turn is not None]
        if turns and len(turns) < len(found):
            raise CxrfairError(
                f"{type(self.method).__name__}.turns: fewer turns for one part of a batch than for "
                "another; every part must have the same"
            )
        return turns

    def _part(self, game: Iterator[Turn], share: float) -> Turn | None:
        """Add one part's gradient; return its turn without the graph, None after the last."""
        with self.precision():
            turn = next(game, None)
        if turn is None:
            return None
        (turn.loss * share).backward()  # type: ignore[no-untyped-call]
        return Turn(turn.shown, turn.player, turn.numbers)

    def _move(self, player: str) -> None:
        """Let a player's optimiser step on the gradient of the whole batch."""
        optimiser = self.optimisers[player]
        moved = [p for group in optimiser.param_groups for p in group["params"]]
        average_gradients(moved)
        if self.clip_norm is not None:
            optimisers.clip(moved, self.clip_norm)
        optimiser.step()


def _over_turns(told: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    """Return the mean () of what each turn told."""
    return {name: torch.stack(values).mean() for name, values in told.items()}


def _mean(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the mean () of the parts' numbers."""
    each = [v.detach().float() * share for v, share in zip(values, shares, strict=True)]
    return torch.stack(each).sum()
