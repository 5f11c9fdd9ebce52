"""Training without what a biased network finds easiest."""

from decimal import Decimal
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.methods._losses import generalised
from cxrfair.methods._method import Listed, Method, over_labels
from cxrfair.ranges import Between


class LowLossConfig(Section):
    """Settings, from `methods.low_loss` of params.yaml."""

    share: Annotated[
        float,
        Between(0.01, 0.5, log=True),
        Field(gt=0, lt=1, description="how much of the training list is left out"),
    ]
    q: Annotated[
        float,
        Between(0.07, 1),
        Field(gt=0, le=1, description="of the loss that says what is easy; as `methods.gce.q`"),
    ]


class LowLoss(Method[LowLossConfig]):
    """Train without the images that a biased network finds easiest, blind to groups.

    The first network is the chosen model of a `gce` variant of the same study and seed. Its loss
    prefers what is easy; the training images of its lowest losses are said to show the data's bias.
    The second network starts afresh, never sees them and minimises the mean loss. The
    table `drawn` of the report says whose images they are.

    Formula
    -------
    L_i = mean over labels of (1 - p_y^q) / q, with p_y the first network's score of the class that
    image i is of. Of n images in the training list the floor(`share` n) of lowest L_i are left out;
    the loss is the mean over images.

    Fails when
    ----------
    What is easy is not what is biased: plain cases are left out as well as shortcuts, and where
    good images are few that costs performance (the paper says so). With rare labels the easiest
    images are those without any finding, so that prevalence rises and scores with it: look at
    calibration. A larger `share` than that of images that show the shortcut takes from the others.

    Here
    ----
    The paper names the idea, but neither q nor share nor which network's loss: it is that of a
    `gce` variant, and an image's loss the mean over the labels it has. An image without any label
    is never left out. Of equal losses the first in the list goes. Each copy in a rebalanced list
    counts as an image; one that lies towards another has the loss of the image it starts from.
    Among low losses q changes the order of few images, and of none for one label.
    """

    source = (
        "Roudsari 2025, Debiasing CXR Datasheet, section 6; loss: Zhang & Sabuncu 2018, "
        "arXiv:1805.07836, section 3 (L_q)"
    )
    needs = "gce@selected"
    provenance = (
        "images of lowest loss: once, on the training list, by the upstream's chosen weights, in "
        "evaluation mode, not augmented"
    )
    config_type = LowLossConfig

    def repeats(self, listed: Listed) -> NDArray[np.int64]:
        """Draw nothing of what has the lowest losses, all else once.

        Raises
        ------
        CxrfairError
            If there are no logits of the upstream, or no labelled image would be left.
        """
        loss, known = self._losses(listed)
        fewer = int(Decimal(str(self.config.share)) * len(loss))  # 0.29 * 100 is 28.999... in float
        if fewer >= (have := int(known.sum())):
            raise CxrfairError(
                f"low_loss: {fewer} of {len(loss)} images are to be left out and {have} have a "
                "label; allowed: a share that leaves some of these"
            )
        found = np.ones(len(loss), np.int64)
        found[np.argsort(np.where(known, loss, np.inf), kind="stable")[:fewer]] = 0
        return found

    def _losses(self, listed: Listed) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the first network's loss of each image, (m,), and which have a label, (m,)."""
        if listed.logit is None:
            raise CxrfairError(
                f"low_loss: no logits on the training list; they come from {self.needs}"
            )
        logit = torch.tensor(listed.logit, dtype=torch.float64)
        target = torch.tensor(listed.target, dtype=torch.float64)
        each = generalised(logit, target, self.config.q)
        loss, known = over_labels(each, ~torch.isnan(target))
        return loss.numpy(), known.numpy()


METHOD = LowLoss
