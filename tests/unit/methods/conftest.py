import numpy as np
import pytest
import torch

from cxrfair.methods import Batch, Network, Representation


class Line(Network):
    """A linear model of an image's pixels: whatever is derived for it can be derived by hand."""

    def __init__(self, pixels, labels):
        super().__init__()
        self.width, self.grid = pixels, (1, 1)
        self.head = torch.nn.Linear(pixels, labels)

    def represent(self, image):
        pooled = image.flatten(1)
        return Representation(image.flatten(2).transpose(1, 2), pooled, self.head(pooled), (1, 1))


class Deep(Network):
    """Features f = B x of three pixels, scores W f + b."""

    def __init__(self, labels):
        super().__init__()
        self.width, self.grid = 4, (1, 1)
        self.body = torch.nn.Linear(3, self.width, bias=False)
        self.head = torch.nn.Linear(self.width, labels)

    def represent(self, image):
        pooled = self.body(image.flatten(1))
        return Representation(pooled.unsqueeze(1), pooled, self.head(pooled), (1, 1))


class Patched(Deep):
    """Patches are rows of an image, tokens B x of each, scores W f + b of their mean f."""

    def __init__(self, patches, labels):
        super().__init__(labels)
        self.grid = (patches, 1)

    def represent(self, image):
        tokens = self.body(image.squeeze(1))
        pooled = tokens.mean(1)
        return Representation(tokens, pooled, self.head(pooled), self.grid)


@pytest.fixture
def patched():
    def build(patches=5, labels=1, seed=3):
        torch.manual_seed(seed)
        return Patched(patches, labels)

    return build


@pytest.fixture
def deep():
    def build(labels=1, seed=3):
        torch.manual_seed(seed)
        return Deep(labels)

    return build


@pytest.fixture
def line():
    def build(pixels=3, labels=1, seed=0):
        torch.manual_seed(seed)
        return Line(pixels, labels)

    return build


@pytest.fixture
def batch():
    """Make a batch of pixels (n, d), targets (n, k) and groups (n,)."""

    def build(pixels, target, group=None, index=None):
        n = len(pixels)
        image = torch.tensor(np.asarray(pixels), dtype=torch.float32).reshape(n, 1, 1, -1)
        return Batch(
            image,
            torch.tensor(np.asarray(target), dtype=torch.float32).reshape(n, -1),
            torch.zeros(n, dtype=torch.int64) if group is None else torch.tensor(group),
            torch.arange(n) if index is None else torch.tensor(index),
        )

    return build


@pytest.fixture
def slopes():
    """Return the gradient of a function of named arrays, by central differences."""

    def differ(function, arrays, width=1e-5):
        found = {}
        for name, values in arrays.items():
            found[name] = np.zeros_like(values)
            for place in np.ndindex(values.shape):
                ends = []
                for sign in (1, -1):
                    moved = values.copy()
                    moved[place] += sign * width
                    ends.append(function(arrays | {name: moved}))
                found[name][place] = (ends[0] - ends[1]) / (2 * width)
        return found

    return differ


@pytest.fixture
def step():
    """Let each player move by its gradient times `rate`; return the turns' losses by player."""

    def run(method, given, rate=1.0):
        players, losses = method.players(), {}
        for turn in method.turns(given):
            method.zero_grad(set_to_none=True)
            turn.loss.backward()
            player = players[turn.player]
            with torch.no_grad():
                for parameter in player.parameters:
                    if parameter.grad is not None:
                        parameter.sub_(rate * player.rate * parameter.grad)
            losses[turn.player] = float(turn.shown)
        return losses

    return run
