"""Stride-Net: answers from selected patches that words agree with and an adversary does not."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from cxrfair.methods._adversary import (
    ADVERSARY,
    GuesserConfig,
    gathered_bce,
    group_doubt,
    guesser,
)
from cxrfair.methods._method import LEARNER, Batch, Groups, Method, Player, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.methods._transport import TransportConfig, alignment
from cxrfair.methods._words import Strided
from cxrfair.ranges import Between

READER = "reader"


class StrideNetConfig(TransportConfig, GuesserConfig):
    """Settings, from `methods.stride_net` of params.yaml."""

    confuse: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="how hard the network works against the adversary"),
    ]
    keep: Annotated[
        float,
        Between(0.15, 1),
        Field(gt=0, le=1, description="share of an image's patches that are selected"),
    ]
    temperature: Annotated[
        PositiveFloat,
        Between(0.01, 1, log=True),
        Field(description="what cosines of patches and phrases are divided by"),
    ]


class StrideNet(Method[StrideNetConfig]):
    """Answer from the patches that words find relevant, and hide the group in them.

    Every patch is compared with what the labels say in words; the most relevant quarter is
    selected, by a mask that is learnt too, and the labels are read from these alone. The selected
    patches are aligned with the phrases true of their image by group optimal transport, and an
    adversary that guesses the group from them is worked against.

    Formula
    -------
    r = cos(patch, W phrase) / temperature + M; the ceil(keep p) patches with the largest r to any
    phrase are Z, pooled by the softmax of that r over them. Backwards the softmax over all patches
    stands in for the choice (straight-through).
    The network minimises L_c + align L_GOT - confuse L_conf, the adversary L_conf.

    L_c is the mean binary cross entropy of the labels read from Z. L_GOT = balance E_T[c] +
    (1 - balance) R over the selected patches, as in `vit_got`. L_conf is the mean cross entropy of
    the adversary, a multilayer perceptron with one hidden layer, in guessing the group from Z.
    M (p, 2k) starts at 0, W is a learnt map from the space of the text encoder.

    Fails when
    ----------
    The mask belongs to places in a picture, so it takes for granted that these show the same part
    of the body: flips, crops and shifts work against it. What is selected need not be where the
    finding is; draw it. As with every adversary, L_conf has no upper end, and a group that it
    cannot guess may still be there to be read by another: `train_reader_loss` and the table of
    attribute leakage say more. If findings are more common in one group, hiding the group costs
    AUROC. What `vit_got` says of transport holds here too.

    Here
    ----
    The paper subtracts gamma L_conf and reverses its gradient as well, which would cancel: here
    only one of them is done. Its second attribute classifier, which is trained with weight beta on
    Z, reads Z without passing a gradient on, since otherwise it would teach the network the group:
    it measures, so its weight is no setting. Its loss is in the training curves. ResNets select
    among the cells of their last feature map. Any number of groups are the classes of one softmax;
    images without any label count in none of the terms.
    """

    source = "Stride-Net (Rashid et al.), section II"
    uses_groups = True
    reads_text = True
    config_type = StrideNetConfig
    net: Strided

    def __init__(
        self,
        net: Network,
        groups: Groups,
        config: StrideNetConfig,
        upstream: Network | None = None,
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.adversary = guesser(net.width, config.hidden, groups)
        self.reader = guesser(net.width, config.hidden, groups)

    @classmethod
    def build(cls, net: Network, config: StrideNetConfig, text: Tensor | None = None) -> Network:
        """Return the network behind a selection of its patches."""
        return Strided(net, text, config.keep, config.temperature)

    def players(self) -> dict[str, Player]:
        """Return network, map and mask; the adversary at its own rate; and who only measures."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            ADVERSARY: Player(tuple(self.adversary.parameters()), self.config.rate),
            READER: Player(tuple(self.reader.parameters())),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network, then the adversary, then who reads the group without being heard."""
        seen, config = self.net.attend(batch.image), self.config
        losses, present = gathered_bce(seen.logit, batch.target)
        loss = mean_over(losses, present)
        aligned = alignment(config, seen.selected, self.net.words(), batch)
        told = mean_over(group_doubt(self.adversary, (seen.pooled,), batch.group), present)
        whole = loss + config.align * aligned - config.confuse * told
        yield Turn(whole, reported=loss, numbers={"alignment": aligned})
        for player, head in ((ADVERSARY, self.adversary), (READER, self.reader)):
            guessed = group_doubt(head, (seen.pooled.detach(),), batch.group)
            yield Turn(mean_over(guessed, present), player)


METHOD = StrideNet
