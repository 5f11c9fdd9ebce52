"""A network over vectors that were computed from images elsewhere, as methods see networks."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cxrfair.config import Section
from cxrfair.methods import Network, Representation
from cxrfair.pretrained import BackboneError

MLP = "mlp"


class MlpConfig(Section):
    """Part `train.mlp` of params.yaml, read by the backbone `mlp` alone.

    `hidden` are the widths of the hidden layers, a ReLU after each, then `dropout`, the chance of a
    unit to be left out while training. Without any the features are the vector itself.
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(strict=False)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class VectorNetwork(Network):
    """Hidden layers over a vector (n, d), and a linear head of one logit a label.

    Each number of a vector is first brought to mean 0 and SD 1 over the training images
    (`standardise`). Their moments are a part of the network and lie among its weights; nothing in
    it hangs on the other images of a batch. There is one cell, the features.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, size: int, n_labels: int, config: MlpConfig) -> None:
        super().__init__()
        widths = (size, *config.hidden)
        layers: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)]
        self.body = nn.Sequential(*layers)
        self.width, self.grid = widths[-1], (1, 1)
        self.head = nn.Linear(self.width, n_labels)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))
        self.trunk: Callable[[nn.Module, Tensor], Tensor] = _trunk

    def standardise(self, mean: Tensor, sd: Tensor) -> None:
        """Note the moments (d,) of the training images; a number that never varies is only moved.

        Raises
        ------
        BackboneError
            If they are not those of such vectors, or not finite.
        """
        if mean.shape != self.mean.shape or sd.shape != self.sd.shape:
            given, wanted = (*mean.shape, *sd.shape), tuple(self.mean.shape)
            raise BackboneError(f"{MLP}: moments of {given} numbers; allowed: {wanted} each")
        if not (torch.isfinite(mean).all() and torch.isfinite(sd).all()):
            raise BackboneError(f"{MLP}: moments of the training images are not finite")
        self.mean.copy_(mean)
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))

    def represent(self, image: Tensor) -> Representation:
        """Return features and logits of vectors (n, d), in one pass; the features are all tokens.

        Raises
        ------
        BackboneError
            If these are no vectors, or of another width.
        """
        if image.shape[1:] != self.mean.shape:
            given, wanted = tuple(image.shape), tuple(self.mean.shape)
            raise BackboneError(f"{MLP}: inputs {given}; allowed: vectors (n, {wanted[0]})")
        pooled = self.trunk(self.body, (image - self.mean) / self.sd)
        with torch.autocast(pooled.device.type, enabled=False):
            logit: Tensor = self.head(pooled.float())
        return Representation(pooled[:, None], pooled, logit, self.grid)

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Refuse: a vector has no places."""
        raise BackboneError(f"draw: {MLP} reads {tuple(image.shape)}; maps are made of pictures")

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse, as `draw` does."""
        raise BackboneError(f"draw: {MLP} shows none of {len(labels)} labels; pictures are needed")

    def watched(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """Refuse: there is no feature map."""
        raise BackboneError(f"explain: {MLP} has no feature map; pictures are needed")


def _trunk(body: nn.Module, vector: Tensor) -> Tensor:
    """Run everything before the head."""
    made: Tensor = body(vector)
    return made
