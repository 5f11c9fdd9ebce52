"""Just train twice."""

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.methods._method import Listed, Method


class JttConfig(Section):
    """Settings, from `methods.jtt` of params.yaml."""

    upweight: (
        PositiveInt  # lambda_up: how often more an epoch draws what the first network got wrong
    )


class Jtt(Method[JttConfig]):
    """Train again, drawing 1 + lambda times what an early network got wrong.

    The first network is the early checkpoint of an `erm` variant of the same study and seed; its
    error set is found once on the training list, in evaluation mode, without augmentation, at a
    score of 0.5. The second network starts afresh and minimises the mean loss, blind to groups.

    With many labels an image is an error if any label it has is wrong. (Wrong on most of them would
    be an empty set: at 0.5 nearly every absent finding is right, and so nearly every image mostly.)
    Neither a missing label nor one learnt with its doubt is ever wrong.
    """

    source = "Liu et al. 2021, arXiv:2107.09044, Algorithm 1"
    needs = "erm@early"
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
