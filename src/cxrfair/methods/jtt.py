"""Just train twice."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.methods._method import Listed, Method
from cxrfair.ranges import Between


class JttConfig(Section):
    """Settings, from `methods.jtt` of params.yaml."""

    upweight: Annotated[
        PositiveInt,
        Between(2, 100, log=True),
        Field(description="lambda: how often more an epoch draws what the first network got wrong"),
    ]


class Jtt(Method[JttConfig]):
    """Train again, drawing 1 + lambda times what an early network got wrong, blind to groups.

    The first network is the early checkpoint of an `erm` variant of the same study and seed. The
    second starts afresh and minimises the mean loss; images that the first one got wrong it sees
    more often.

    Formula
    -------
    Error set E: training images with (s >= 0.5) != y, s the first network's score. An epoch takes
    each image of E 1 + lambda times (`upweight`), each other once; the loss is the mean over
    images.

    Fails when
    ----------
    The early network was trained too long, so that E is only what is mislabelled or in doubt, or
    too briefly, so that at 0.5 E is all positives of a rare label and nothing more is done than to
    draw positives more often. An epoch grows by lambda times E. `train.early_epochs` decides as
    much as lambda does.

    Here
    ----
    With many labels an image is an error if any label it has is wrong. (Wrong on most of them would
    be an empty set: at 0.5 nearly every absent finding is right, and so nearly every image mostly.)
    Neither a missing label nor one learnt with its doubt is ever wrong. Where the training list has
    weights, an image is drawn in proportion to its weight times its repeats.
    """

    source = "Liu et al. 2021, arXiv:2107.09044, Algorithm 1"
    needs = "erm@early"
    provenance = (
        "error set: once, on the training list, by the upstream's early weights, in evaluation "
        "mode, not augmented, at score 0.5"
    )
    config_type = JttConfig

    def repeats(self, listed: Listed) -> NDArray[np.int64]:
        """Draw errors of the upstream 1 + `upweight` times, all else once.

        Raises
        ------
        CxrfairError
            If there are no logits of the upstream.
        """
        target, logit = listed.target, listed.logit
        if logit is None:
            raise CxrfairError(f"jtt: no logits on the training list; they come from {self.needs}")
        wrong = ((target == 1) & (logit < 0)) | ((target == 0) & (logit >= 0))
        return np.where(wrong.any(axis=1), 1 + self.config.upweight, 1).astype(np.int64)


METHOD = Jtt
