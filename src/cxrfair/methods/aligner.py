"""Alignment with people: where a network looks for a finding is held against their outlines."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from cxrfair.distributed import gather
from cxrfair.methods._adversary import gathered_bce
from cxrfair.methods._alignment import (
    AlignmentConfig,
    at_random,
    enlarged,
    guiding,
    misaligned,
)
from cxrfair.methods._decoder import Aligned, Shape
from cxrfair.methods._method import Batch, Method, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Between


class AlignerConfig(AlignmentConfig):
    """Settings, from `methods.aligner` of params.yaml."""

    layers: Annotated[
        PositiveInt, Between(1, 6), Field(description="layers of the decoder that asks for labels")
    ]
    heads: Annotated[PositiveInt, Between(1, 8), Field(description="heads of each of its layers")]
    feedforward: Annotated[
        PositiveInt,
        Between(64, 2048, log=True),
        Field(description="units between two linear maps in each of its layers"),
    ]
    dropout: Annotated[
        float,
        Between(0, 0.5),
        Field(ge=0, lt=1, description="chance of each unit of the decoder to be left out"),
    ]


class Aligner(Method[AlignerConfig]):
    """Look for a finding where people outlined it.

    The network is asked for each label by its name: the name's embedding looks at the patches of
    the image through a few layers of cross attention, and the label is read from what it found.
    Where it looked in the last layer, refined by two convolutions, is a map of the label. Of images
    that have the finding and an outline of it, the map is held against the outline.

    Formula
    -------
    L = L_c + align L_AL, one label after the other in every step
    L_AL = 1 - (2 sum Y P + alpha + e) / (sum (Y + P) + (w_FP - 1) sum P (1 - Y) + alpha + e)

    L_c is the mean binary cross entropy of the label over the images with it known; L_AL is the
    mean over images with the label there, and outlined. Y is the outline, moved as the image was,
    P the map enlarged to its size, both in [0, 1]. w_FP is `false_positive`, alpha `smooth`, e =
    1e-6. Sums run over all pixels (`pixels: all`), or over those with Y above 0 (`positive`, as the
    paper writes it).

    Fails when
    ----------
    Outlines are few, or boxes much larger than the finding: the map then learns the habit of who
    drew them. An outline teaches where a finding is and not what it looks like, and a map that
    meets it need not be what the answer rests on: hide the region and see. Only positives are
    outlined, so nothing says where to look where there is nothing. A finding whose signs are spread
    over the image (edema) may be answered better from outside its outline. If people of one group
    are outlined more often, or better, the guidance differs between groups too.

    Here
    ----
    Labels do not look at each other (there is no self attention between them): one at a time is
    asked in training, so that its answer must not depend on which others exist. Each has a forward
    pass and an update of its own, in the labels' order; the curves show the mean over labels, in
    which a label that no image of the batch states, and a batch without outlines, counts as 0. The
    paper starts from a network trained on images with reports (KAD) whose weights are not a part of
    this project: here the backbone is the study's own and the decoder starts at random, with the
    sizes of that network in params.yaml at the paper's scale. The paper does not say how its
    `Attention Aligner` refines a map, nor what alpha and e are: two convolutions beside log(p
    attention), alpha 1, e 1e-6. They start as no change, so that in a training without outlines the
    map is the attention. The paper sums over the pixels of the outline alone; with outlines of 0
    and 1 the term of w_FP then vanishes, attention outside costs nothing, and a map of 1 everywhere
    is the best there is. So `all` is what params.yaml says. `random_maps` is its ablation: in place
    of each outline one to three ellipses of about 2 to 15 percent of the image, another place and
    shape in every epoch, never the outline; an image that an epoch takes twice has the same twice.
    """

    source = (
        "On the Interplay of Human-AI Alignment, Fairness, and Performance Trade-offs "
        "(Luo et al.), Eq. 1"
    )
    reads_text = True
    reads_masks = True
    batch_statistics = "one mixed forward pass a label"
    config_type = AlignerConfig
    net: Aligned

    @classmethod
    def build(cls, net: Network, config: AlignerConfig, text: Tensor | None = None) -> Network:
        """Return the network behind a decoder that asks it for labels."""
        shape = Shape(config.layers, config.heads, config.feedforward, config.dropout)
        return Aligned(net, text, shape)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network for one label after the other.

        No label is passed over, not even one that nobody in the batch has: parts of a batch, and
        processes, must make the same turns.
        """
        for label in range(self.net.head.out_features):
            seen = self.net.ask(batch.image, slice(label, label + 1))
            losses, present = gathered_bce(seen.logit, batch.target[:, label : label + 1])
            loss = mean_over(losses, present)
            aligned = self._aligned(seen.attention, batch, label)
            whole = loss + self.config.align * aligned
            yield Turn(whole, reported=loss, numbers={"alignment": aligned})

    def _aligned(self, attention: Tensor, batch: Batch, label: int) -> Tensor:
        """Return L_AL () of a label's attention (n, 1, p); 0 where no pair of the batch guides."""
        guide = guiding(batch, label)
        if guide is None:
            nobody = torch.zeros(len(attention), device=attention.device)
            return mean_over(gather(nobody), gather(nobody.bool()))
        truth, chosen = guide
        if self.config.random_maps:
            truth = at_random(batch, label, truth, chosen)
        height, width = truth.shape[1:]
        found = enlarged(self.net.maps(attention)[:, 0], (height, width))
        return mean_over(gather(misaligned(truth, found, self.config)), gather(chosen))


METHOD = Aligner
