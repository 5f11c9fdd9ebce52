"""A network behind a generator that changes its images within a bound."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.errors import CxrfairError
from cxrfair.methods._network import Around, Network, Representation

WIDTHS = (32, 64, 128)  # channels on the way down
STRIDE = 2 ** len(WIDTHS)
SMALLEST = 2 * STRIDE  # pixels: 2 x 2 at the bottom, since one value alone has no spread


class Generator(nn.Module):
    """Turn images into changes in (-1, 1), of the same shape; no image knows of another.

    Three convolutions down (32, 64 and 128 channels, kernel 4, stride 2), a residual block, and the
    same mirrored, with a tanh at its end. All but the last are followed by instance normalisation
    without weights of its own, and have no bias: the normalisation would take it away. The last one
    starts small, so that images are hardly changed at first.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.down = nn.Sequential(*_down(1, first), *_down(first, second), *_down(second, third))
        self.residual = nn.Sequential(
            nn.Conv2d(third, third, 3, padding=1, bias=False),
            nn.InstanceNorm2d(third),
            nn.ReLU(),
            nn.Conv2d(third, third, 3, padding=1, bias=False),
            nn.InstanceNorm2d(third),
        )
        last = nn.ConvTranspose2d(first, 1, 4, 2, 1)
        nn.init.normal_(last.weight, std=0.02)  # as GANs usually start; before a norm it is all one
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.up = nn.Sequential(*_up(third, second), *_up(second, first), last)

    def forward(self, image: Tensor) -> Tensor:
        """Return changes (n, 1, h, w) in float32 of images (n, 1, h, w) of any size."""
        rows, columns = image.shape[-2:]
        (top, bottom), (left, right) = _margins(rows), _margins(columns)
        if top + bottom + left + right:
            image = functional.pad(image, (left, right, top, bottom), mode="replicate")
        seen = self.down(image)
        made: Tensor = self.up(seen + self.residual(seen))
        return torch.tanh(made[..., top : top + rows, left : left + columns].float())


class Perturbed(Around):
    """A network that sees images only as a generator has changed them, by at most `bound`.

    x~ = clip(x + bound * g(x), 0, 1); with more `steps`, g adds to its own changes of x as it finds
    x~ changed so far, and their sum stays within the bound. `body` stays in evaluation mode in
    training too: it is one that is deployed already, and no batch may move its running statistics.
    """

    def __init__(self, body: Network, bound: float, steps: int = 1) -> None:
        super().__init__(body)
        self.generator, self.bound, self.steps = Generator(), bound, steps
        self.train(self.training)

    def train(self, mode: bool = True) -> "Perturbed":
        """Set the generator's mode; the network behind it stays in evaluation mode."""
        super().train(mode)
        self.body.eval()
        return self

    def adopt(self, deployed: Network) -> None:
        """Take over the weights of a deployed network, never to be trained again.

        Raises
        ------
        CxrfairError
            If they are those of another kind of network.
        """
        try:
            self.body.load_state_dict(deployed.state_dict())
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1].strip()
            raise CxrfairError(
                "train.backbone: the upstream model is another network, and its weights do not fit "
                f"({first}); backbone and channels must be those of the upstream variant"
            ) from error
        self.body.requires_grad_(False)

    def sees(self, image: Tensor) -> Tensor:
        """Return the images (n, 1, h, w) in [0, 1] that the network behind the generator sees."""
        seen, change = image, torch.zeros_like(image)
        for _ in range(self.steps):
            change = change + self.bound * self.generator(seen)
            change = change.clamp(-self.bound, self.bound)
            seen = (image + change).clamp(0, 1)
        return seen

    def represent(self, image: Tensor) -> Representation:
        """Return what the network makes of changed images, in one forward pass through both."""
        return self.body.represent(self.sees(image))

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Return which kind of map shows where the network looked on the changed images, and it."""
        with torch.no_grad():
            seen = self.sees(image)
        return self.body.draw(seen)

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the maps as the network behind the generator does."""
        return self.body.shows(labels)


def _down(given: int, made: int) -> tuple[nn.Module, ...]:
    """Halve the sides of a map of `given` channels."""
    convolution = nn.Conv2d(given, made, 4, 2, 1, bias=False)
    return convolution, nn.InstanceNorm2d(made), nn.ReLU()


def _up(given: int, made: int) -> tuple[nn.Module, ...]:
    """Double the sides of a map of `given` channels."""
    convolution = nn.ConvTranspose2d(given, made, 4, 2, 1, bias=False)
    return convolution, nn.InstanceNorm2d(made), nn.ReLU()


def _margins(side: int) -> tuple[int, int]:
    """Return how many pixels a side needs before and after it to be halved three times."""
    missing = max(SMALLEST, -(-side // STRIDE) * STRIDE) - side
    return missing // 2, missing - missing // 2
