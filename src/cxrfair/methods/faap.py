"""Fairness-aware adversarial perturbation."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._generator import Perturbed
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
from cxrfair.methods._network import Network
from cxrfair.ranges import Between

DISCRIMINATOR = "discriminator"


class FaapConfig(Section):
    """Settings, from `methods.faap` of params.yaml."""

    confuse: Annotated[
        NonNegativeFloat,
        Between(0.04, 4, log=True),
        Field(description="weight of the discriminator's error, which the generator raises"),
    ]
    entropy: Annotated[
        NonNegativeFloat,
        Between(0.01, 1, log=True),
        Field(description="weight of the discriminator's doubt, which the generator raises"),
    ]
    keep: Annotated[
        NonNegativeFloat,
        Between(0.07, 7, log=True),
        Field(description="weight of the deployed network's own loss on the labels"),
    ]
    bound: Annotated[
        float,
        Between(0.005, 0.5, log=True),
        Field(gt=0, le=1, description="largest change of a pixel, as a share of the image range"),
    ]
    rate: Annotated[
        PositiveFloat,
        Between(0.02, 2, log=True),
        Field(description="learning rate of the discriminator, times that of `train`"),
    ]


class Faap(Method[FaapConfig]):
    """Leave a deployed network as it is and change its images instead.

    A small generator adds a faint change to every image, which is to hide from the network what
    would tell it the group. The network is the selected model of an `erm` or an `infomax` variant
    and is never trained again. At inference the image is enough: neither group nor label is asked
    for.

    Formula
    -------
    x~ = clip(x + bound * g(x), 0, 1), with g the generator, in (-1, 1)
    L_D = CE_S
    L_G = -confuse CE_S - entropy H(Shat) + keep CE_Y

    CE_S is the cross entropy of the discriminator D, which guesses the group from the features that
    the network makes of x~; H(Shat) the mean entropy of its guesses; CE_Y the cross entropy of the
    network's own answers on x~. g moves first, against D and through the frozen network; D moves
    on the same features, at `rate` times the learning rate. g: convolutions of 32, 64 and 128
    channels (kernel 4, stride 2, instance normalisation), a residual block, and the same mirrored.
    D: 512, 256 and 128 hidden units.

    Fails when
    ----------
    What no change within the bound can hide stays. Instance normalisation keeps an image's own
    brightness and contrast from the generator, so groups that differ in these are hard to hide. A
    discriminator that loses proves little: another one, trained afterwards on the same features,
    may still tell the groups apart. The generator reads whole images and is paid for right answers,
    so it may become a classifier that writes its own answers into them; look at its changes before
    trusting what the network makes of them. CE_S has no upper end: where `confuse` outweighs `keep`
    the answers get lost.

    Here
    ----
    The change is bound * tanh rather than tanh cut off at the bound: the same changes are within
    reach, and none leaves the generator without a gradient. It starts near 0. The deployed network
    is in evaluation mode throughout. CE_Y is the mean over the labels an image has, and an image
    without any counts in none of the terms. Any number of groups are the classes of one softmax;
    with one group CE_S and H are 0.
    """

    source = "Wang et al. 2022, arXiv:2203.01584"
    uses_groups = True
    needs = "erm|infomax@selected"
    deploys_upstream = True
    batch_statistics = "none: those that the deployed network came with"
    config_type = FaapConfig
    net: Perturbed

    def __init__(
        self, net: Network, groups: Groups, config: FaapConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.net.adopt(self.upstream)
        self.discriminator = nn.Sequential(
            *_layer(net.width, 512),
            *_layer(512, 256),
            *_layer(256, 128),
            nn.Linear(128, len(groups.names)),
        )

    @classmethod
    def build(cls, net: Network, config: FaapConfig, text: Tensor | None = None) -> Network:
        """Return the network behind a generator of its own."""
        del text
        return Perturbed(net, config.bound)

    def players(self) -> dict[str, Player]:
        """Return the generator, and the discriminator at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.generator.parameters())),
            DISCRIMINATOR: Player(tuple(self.discriminator.parameters()), self.config.rate),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the generator, then the discriminator."""
        made, config = self.net.represent(batch.image), self.config
        kept, present = masked_bce(made.logit, batch.target)
        present = gather(present)
        error, doubt = self._guessed(made.pooled, batch.group)
        each = config.keep * kept - config.confuse * error - config.entropy * doubt
        yield Turn(mean_over(gather(each), present))
        error, _ = self._guessed(made.pooled.detach(), batch.group)
        yield Turn(mean_over(gather(error), present), DISCRIMINATOR)

    def _guessed(self, pooled: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross entropy and entropy (n,) of the discriminator's guesses, in float32."""
        with torch.autocast(pooled.device.type, enabled=False):
            log_share = functional.log_softmax(self.discriminator(pooled.float()), 1)
        error = functional.nll_loss(log_share, group, reduction="none")
        return error, -(log_share.exp() * log_share).sum(1)


def _layer(given: int, made: int) -> tuple[nn.Module, ...]:
    """Return one hidden layer of the discriminator."""
    return nn.Linear(given, made), nn.ReLU()


METHOD = Faap
