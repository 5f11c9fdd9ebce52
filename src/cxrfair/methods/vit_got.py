"""Patches aligned with words by group optimal transport, without selection."""

from collections.abc import Iterator

from torch import Tensor

from cxrfair.methods._adversary import gathered_bce
from cxrfair.methods._method import Batch, Method, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.methods._transport import TransportConfig, alignment
from cxrfair.methods._words import Worded


class VitGot(Method[TransportConfig]):
    """Align patches with the words of their image's labels, alike in all groups.

    The network learns its labels as usual. Beside that, the patches of an image are carried to the
    phrases that are true of it, and what this costs is to be small, and alike for images of equal
    labels and different groups. It is the first half of `stride_net`: all patches are used, and
    nothing works against an adversary.

    Formula
    -------
    L = L_c + align L_GOT, L_GOT = balance E_T[c] + (1 - balance) R

    L_c is the mean binary cross entropy. c = 1 - cos(patch, W phrase), with W a learnt map from the
    space of the text encoder; T is the entropic transport plan (`epsilon`) between an image's
    patches and the phrases true of it, uniform on both sides, without a gradient through T.
    R, `cross_group`: the mean over pairs of images with equal labels and different groups of
    sum T T' (c - c')^2 = E_T[c^2] + E_T'[c'^2] - 2 E_T[c] E_T'[c'].
    R, `gw`: the mean over images of T's Gromov-Wasserstein cost, sum (C_ij - D_kl)^2 T_ik T_jl, C
    being the distances between patches and D those between phrases. It asks nothing of groups.

    Fails when
    ----------
    Nothing says which patch shows a finding: all are drawn to the phrase alike, and a network may
    lower c by making its patches alike. R is 0 only where costs do not vary at all, so it presses
    the patches of one image together too, not groups alone. With a single label an image has one
    phrase: every plan is then uniform, and transport is a mean. With many labels few pairs of
    images have equal ones, and R rests on those.

    Here
    ----
    The paper's name for it is ViT-B+GOT; any network does, with the cells of a feature map for
    patches. Phrases say that a label is there or not: those of an image's positive labels, or, of
    one that has none, of its negative ones; a missing label says nothing. With one group, or none
    with a partner in the batch, R (`cross_group`) is 0.
    """

    source = "Stride-Net (Rashid et al.), section II and Table II: ViT-B+GOT"
    uses_groups = True
    reads_text = True
    config_type = TransportConfig
    net: Worded

    @classmethod
    def build(cls, net: Network, config: TransportConfig, text: Tensor | None = None) -> Network:
        """Return the network, with a map from words to its patches."""
        del config
        return Worded(net, text)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network and the map."""
        made = self.net.represent(batch.image)
        loss = mean_over(*gathered_bce(made.logit, batch.target))
        aligned = alignment(self.config, made.tokens.float(), self.net.words(), batch)
        yield Turn(
            loss + self.config.align * aligned, reported=loss, numbers={"alignment": aligned}
        )


METHOD = VitGot
