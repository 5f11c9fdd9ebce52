"""What methods that reckon with mutual information share: a glance at a picture, an estimate."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 64, 128)  # each layer halves the sides
HIDDEN = 128  # units of the one hidden layer behind what is seen
NOTHING = -2 * math.log(2)  # the estimate of who cannot tell pairs: f = 0 throughout


class Glance(nn.Module):
    """Turn a picture and some numbers that go with it into others.

    Four convolutions (16, 32, 64 and 128 channels, kernel 3, stride 2, rectified) averaged over the
    picture, `beside` numbers joined with them, one hidden layer, `made` numbers. Nothing in it is
    normalised: brightness and contrast are among what it may see, and no image knows of another.
    """

    def __init__(self, beside: int, made: int) -> None:
        super().__init__()
        given = (1, *CHANNELS[:-1])
        self.picture = nn.Sequential(
            *(_halving(*pair) for pair in zip(given, CHANNELS, strict=True))
        )
        self.joined = nn.Sequential(
            nn.Linear(CHANNELS[-1] + beside, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, made)
        )

    def look(self, image: Tensor) -> Tensor:
        """Return what is seen of images (n, 1, h, w) in [0, 1] of any size: (n, 128), float32."""
        seen: Tensor = self.picture(2 * image - 1)
        return seen.float().mean((2, 3))

    def join(self, seen: Tensor, beside: Tensor) -> Tensor:
        """Return (n, made) from what is seen of n images and the numbers (n, beside), float32."""
        with torch.autocast(seen.device.type, enabled=False):
            made: Tensor = self.joined(torch.cat([seen.float(), beside.float()], 1))
        return made


def jensen_shannon(together: Tensor, apart: Tensor) -> Tensor:
    """Estimate by how far pairs that belong together can be told from pairs that do not.

    E[-softplus(-f(x, e))] - E[softplus(f(x, e'))]: the lower bound of Tian et al., Fair Diagnosis,
    eq. 5 (Hjelm et al. 2019, arXiv:1808.06670, eq. 4).

    Parameters
    ----------
    together, apart
        f of n pairs each, (n,).

    Returns
    -------
    Tensor
        (), at most 0. -2 log 2 is what f = 0 gives, and so do fewer than two pairs, of which none
        can be set apart; no gradient then.
    """
    if len(together) < 2:
        return NOTHING + 0 * (together.sum() + apart.sum())
    return -functional.softplus(-together).mean() - functional.softplus(apart).mean()


def divergence(estimate: Tensor) -> Tensor:
    """Return the lower bound on a Jensen-Shannon divergence that an estimate stands for.

    (), in nats, at most log 2: of x and e together from x and e by themselves. 0 says nothing; they
    may be independent, or the estimator cannot tell.
    """
    return (estimate - NOTHING) / 2


def partners(index: Tensor) -> Tensor:
    """Return for each of n images another one, (n,), that none else has; itself if it is alone.

    Images stand in the order of their `index` (n,), and each goes with the one half way round: who
    goes with whom depends on which images there are, not on their order or on random numbers.
    """
    order = index.argsort(stable=True)
    found = torch.empty_like(order)
    found[order] = order.roll(len(order) // 2)
    return found


def _halving(given: int, made: int) -> nn.Sequential:
    """Halve the sides of a map of `given` channels."""
    return nn.Sequential(nn.Conv2d(given, made, 3, 2, 1), nn.ReLU())
