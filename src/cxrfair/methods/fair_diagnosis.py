"""Fair Diagnosis: a mask that hides the group from who knows the label."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._adversary import gathered_bce
from cxrfair.methods._generator import Perturbed
from cxrfair.methods._information import Glance
from cxrfair.methods._method import LEARNER, Batch, Groups, Method, Player, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Between

DISCRIMINATOR = "discriminator"


class FairDiagnosisConfig(Section):
    """Settings, from `methods.fair_diagnosis` of params.yaml."""

    bound: Annotated[
        float,
        Between(0.02, 0.5, log=True),
        Field(
            ge=0,
            le=1,
            description="eta: largest change of a pixel, as a share of the image range; 0 for none",
        ),
    ]
    entropy: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="alpha: weight of the discriminator's doubt, which the generator raises"),
    ]
    keep: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="beta: weight of the deployed network's own loss on the labels"),
    ]
    steps: Annotated[
        PositiveInt,
        Between(1, 4),
        Field(description="how often the generator adds to what it has made of an image"),
    ]
    rate: Annotated[
        PositiveFloat,
        Between(0.1, 10, log=True),
        Field(description="learning rate of the discriminator, times that of `train`"),
    ]


class FairDiagnosis(Method[FairDiagnosisConfig]):
    """Leave a deployed network as it is and mask in its pictures what tells the group.

    A generator adds a mask to every picture, within a bound. A discriminator guesses the group from
    the masked picture and from its true labels: the labels being known, only what the group does
    to pictures directly is left to guess by. The network is the selected model of an `infomax` or
    an `erm` variant and is never trained again. At inference the picture is enough.

    Formula
    -------
    x~ = clip(x + m, 0, 1), m <- clip(m + bound * g(x~), -bound, bound), `steps` times from m = 0
    L_d = CE(s, d(x~, y))
    L_g = -CE(s, d(x~, y)) - entropy H(d(x~, y)) + keep CE(y, h(x~))

    s is the group, y the labels, h the frozen network, H the mean entropy of the guesses. g, in
    (-1, 1), is that of `faap`. d: four convolutions on x~ (16, 32, 64 and 128 channels, stride 2),
    averaged over the picture, joined with y, a hidden layer of 128 units, a softmax over the
    groups. g moves first, through the frozen network and against d; then d, on the same pictures,
    at `rate` times the learning rate, by L_d alone.

    Fails when
    ----------
    The paper's objective is I(S; X | Y) = 0. Mutual informations cannot be computed and are
    replaced by what d and h reach: -CE for I(S; Shat), CE for -I(Y; Yhat). A d that loses proves
    little: another one, larger or trained afterwards on the masked pictures, may still tell the
    group. Independence given Y is enough for no direct effect and not needed for it; neither is
    shown by the mask's own training. CE has no upper end: g is paid for driving d to be
    confidently wrong, `entropy` works against that, and `keep` alone protects the answers. Where d
    is certain and right CE is flat, and g hardly moves; a lower `rate` helps. g reads
    whole pictures and is paid for right answers, so it may write its own into them; look at the
    masks. Groups that differ in brightness or contrast as a whole are hard to hide, since g
    normalises each picture.

    Here
    ----
    The paper leaves open the networks, the bound's form and what `iteratively adding` is: here the
    mask is bound * tanh, added to itself `steps` times, and cut off at the bound. With bound 0
    pictures and answers are those of the deployed network, bit for bit, and nothing is learnt. d is
    told which labels are missing; they count 0. CE(y, h) is the mean over the labels a picture has,
    and a picture without any counts in none of the terms. Any number of groups are the classes of
    one softmax; with one CE and H are 0. The deployed network is in evaluation mode throughout. Any
    variant of `erm` may stand in for the paper's pretraining, to see what that adds.
    """

    source = "Tian et al., Fair Diagnosis, section 3.2, equations 7 to 12"
    uses_groups = True
    needs = "infomax|erm@selected"
    deploys_upstream = True
    batch_statistics = "none: those that the deployed network came with"
    config_type = FairDiagnosisConfig
    net: Perturbed

    def __init__(
        self,
        net: Network,
        groups: Groups,
        config: FairDiagnosisConfig,
        upstream: Network | None = None,
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.net.adopt(self.upstream)
        self.discriminator = Glance(2 * net.head.out_features, len(groups.names))

    @classmethod
    def build(
        cls, net: Network, config: FairDiagnosisConfig, text: Tensor | None = None
    ) -> Network:
        """Return the network behind a generator of its own."""
        del text
        return Perturbed(net, config.bound, config.steps)

    def players(self) -> dict[str, Player]:
        """Return the generator, and the discriminator at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.generator.parameters())),
            DISCRIMINATOR: Player(tuple(self.discriminator.parameters()), self.config.rate),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the generator, then the discriminator."""
        masked, config = self.net.sees(batch.image), self.config
        kept, present = gathered_bce(self.net.body(masked), batch.target)
        error, doubt = self._guessed(masked, batch)
        each = config.keep * kept - gather(error) - config.entropy * gather(doubt)
        yield Turn(mean_over(each, present))
        error, _ = self._guessed(masked.detach(), batch)
        yield Turn(mean_over(gather(error), present), DISCRIMINATOR)

    def _guessed(self, masked: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return cross entropy and entropy (n,) of the discriminator's guesses, in float32."""
        known = ~torch.isnan(batch.target)
        told = torch.cat([torch.nan_to_num(batch.target), known], 1)
        guess = self.discriminator.join(self.discriminator.look(masked), told)
        log_share = functional.log_softmax(guess, 1)
        error = functional.nll_loss(log_share, batch.group, reduction="none")
        return error, -(log_share.exp() * log_share).sum(1)


METHOD = FairDiagnosis
