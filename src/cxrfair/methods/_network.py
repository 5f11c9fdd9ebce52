"""What a method may ask of a network."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Representation(NamedTuple):
    """What a network makes of n images.

    `tokens` (n, p, d) are patch tokens or the cells of a final feature map, row by row over `grid`
    = (rows, columns) with p = rows * columns; `pooled` (n, d) is what the head reads; `logit`
    (n, k) is float32 whatever the precision of the rest.
    """

    tokens: Tensor
    pooled: Tensor
    logit: Tensor
    grid: tuple[int, int]


class Network(nn.Module):
    """An image network as every method sees it; `cxrfair.backbones` builds them from timm.

    `width` is d, `grid` the rows and columns of tokens. `head` maps (n, d) to (n, k) and is linear.
    Images are (n, 1, h, w) in [0, 1]: channels and normalisation are the network's own affair.
    """

    width: int
    grid: tuple[int, int]
    head: nn.Linear

    def represent(self, image: Tensor) -> Representation:
        """Return everything a method may use, in one forward pass."""
        raise NotImplementedError

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Return which kind of map shows where the network looked, and maps (n, m, rows, columns).

        In evaluation mode; nothing of the network changes and no gradient is kept.
        """
        raise NotImplementedError

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the m maps that `draw` makes of an image by its k labels; empty for one of them all.

        Where there are two of each label, those that speak for it come first, then `not <label>`.
        """
        raise NotImplementedError

    def watched(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """Return the module whose output a saliency map is made of, and how to lay that out.

        The latter gives (n, d, rows, columns) of what the module returns, or of its gradient.
        """
        raise NotImplementedError

    def sees(self, image: Tensor) -> Tensor:
        """Return what features are taken of, (n, 1, h, w): the images, if nothing changes them."""
        return image

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, k) of images (n, 1, h, w)."""
        return self.represent(image).logit


class Around(Network):
    """A network around another, its `body`, with the body's head."""

    def __init__(self, body: Network) -> None:
        super().__init__()
        self.body, self.width, self.grid = body, body.width, body.grid

    # Read where it is: as a part of this module too, its weights would be saved twice.
    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """Return the head of the network inside."""
        return self.body.head

    def watched(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """Return what is watched of the network inside."""
        return self.body.watched()

    def sees(self, image: Tensor) -> Tensor:
        """Return what the network inside sees."""
        return self.body.sees(image)
