"""From the players of a method and section `train.optimiser` to torch's optimisers."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cxrfair.errors import CxrfairError
from cxrfair.methods import Method, Player
from cxrfair.training.config import OptimiserConfig, Sgd


def build(method: Method[Any], config: OptimiserConfig) -> dict[str, Optimizer]:
    """Give each player of a method its own optimiser, at `rate` times the learning rate.

    Everything else is torch's: weight decay applies to all parameters of a player, biases and
    normalisation included, as a part of the gradient with `adam` and `sgd` and decoupled from it
    with `adamw`. Call it when the method is on its device. All run in torch's fused kernels, whose
    bytes do not depend on the number of threads and which take a sixth of the time on a CPU.

    Raises
    ------
    CxrfairError
        If a player has nothing to move, or what is frozen, another's or no part of the method; or
        if nobody moves a parameter of the method that requires a gradient. Each is named.
    """
    players = method.players()
    _refuse_players(method, players)
    _refuse_unmoved(method, players)
    return {name: _optimiser(player, config) for name, player in players.items()}


def set_rate(optimiser: Optimizer, factor: float) -> None:
    """Set the learning rate to `factor` (of `schedules.factor`) times that of `build`."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor


def clip(parameters: Iterable[nn.Parameter], norm: float) -> Tensor:
    """Scale gradients down, together, to the total L2 norm `norm`; leave smaller ones alone.

    Pascanu, Mikolov & Bengio 2013, Algorithm 1, by torch. A parameter without a gradient adds
    nothing. Gradients of a total that is not finite become NaN: look before the optimiser's step.

    Returns
    -------
    Tensor
        The total norm as it was, shape (); 0 where there is no gradient.
    """
    return nn.utils.clip_grad_norm_(parameters, norm)


def _optimiser(player: Player, config: OptimiserConfig) -> Optimizer:
    rate = config.learning_rate * player.rate
    settings: dict[str, Any] = {
        "lr": rate,
        "weight_decay": config.weight_decay,
        "fused": True,
    }
    made: Optimizer
    if isinstance(config, Sgd):
        made = torch.optim.SGD(player.parameters, momentum=config.momentum, **settings)
    else:
        kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
        made = kind(player.parameters, **settings)
    for group in made.param_groups:
        group["initial_lr"] = rate  # torch's own word for what a schedule multiplies
    made.register_step_pre_hook(_lay_out)
    return made


def _lay_out(optimiser: Optimizer, *_: Any) -> None:
    """Bring gradients into the memory order of their parameters.

    A fused kernel walks through memory: on a CPU it takes a gradient in another order for granted
    and moves the wrong entries. Backward passes keep the order; whoever sets `grad` may not.
    """
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is not None and _order(gradient) != _order(parameter):
                parameter.grad = torch.empty_like(parameter).copy_(gradient)


def _order(tensor: Tensor) -> list[int]:
    """Return the strides that matter: an axis of one entry may have any."""
    pairs = zip(tensor.stride(), tensor.shape, strict=True)
    return [stride for stride, size in pairs if size > 1]


def _refuse_players(method: Method[Any], players: Mapping[str, Player]) -> None:
    """Say which player holds nothing, or a parameter that it cannot move."""
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    owner: dict[int, str] = {}
    for player, held in players.items():
        where = f"{type(method).__name__}, player {player!r}"
        if not held.parameters:
            raise CxrfairError(f"{where}: no parameters; it must move at least one")
        for place, parameter in enumerate(held.parameters):
            key = id(parameter)
            if key not in names:
                raise CxrfairError(
                    f"{where}: its parameter {place} is no part of the method; "
                    "no checkpoint would hold it"
                )
            if not parameter.requires_grad:
                raise CxrfairError(f"{where}: {names[key]} is frozen; leave it out or thaw it")
            if key in owner:
                raise CxrfairError(
                    f"{where}: {names[key]} is moved by {owner[key]!r} already; once is allowed"
                )
            owner[key] = player


def _refuse_unmoved(method: Method[Any], players: Mapping[str, Player]) -> None:
    """Name the parameters that would get gradients and stay where they are."""
    moved = {id(parameter) for player in players.values() for parameter in player.parameters}
    still = [
        name
        for name, parameter in method.named_parameters()
        if parameter.requires_grad and id(parameter) not in moved
    ]
    if still:
        raise CxrfairError(
            f"{type(method).__name__}: no player moves {', '.join(still)} "
            f"({len(still)} parameters); freeze them or give them to a player"
        )
