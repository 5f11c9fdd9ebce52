"""Generalised cross entropy."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._losses import generalised, over_images
from cxrfair.methods._method import Batch, Method, Turn
from cxrfair.ranges import Between


class GceConfig(Section):
    """Settings, from `methods.gce` of params.yaml."""

    q: Annotated[
        float,
        Between(0.07, 1),
        Field(
            gt=0, le=1, description="how far what is right already is preferred; near 0 not at all"
        ),
    ]


class Gce(Method[GceConfig]):
    """Learn most from what is right already, blind to groups.

    The loss bends from cross entropy to absolute error, so that an image which stays wrong pulls
    little: made for labels that are wrong. It is the biased network of `lff` alone, and so a way to
    see a shortcut: the training images of its lowest losses are those that show it.

    Formula
    -------
    L = mean of (1 - p_y^q) / q, with p_y the score of the class an image is of: s where y is 1,
    1 - s where y is 0. Its gradient is that of cross entropy times p_y^q. q near 0 is cross
    entropy, q = 1 the mean absolute error.

    Fails when
    ----------
    Wrong labels are not what is hard to learn: a small group's images are hard too, and are given
    up just the same, so that gaps tend to grow. Scores pass for surer than they are. A rare label
    may never be learnt, since calling everything absent is right nearly always.

    Here
    ----
    Every label is a task of its own; an image's loss is the mean over the labels it has. A label
    learnt with its doubt mixes the losses of both classes.
    """

    source = "Zhang & Sabuncu 2018, arXiv:1805.07836, section 3 (L_q)"
    config_type = GceConfig

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the learner."""
        logit, target = gather(self.net(batch.image)), gather(batch.target)
        yield Turn(over_images(generalised(logit, target, self.config.q), target))


METHOD = Gce
