"""Matching of distributions between groups, by maximum mean discrepancy."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from cxrfair.methods._matching import MatchConfig, Matching, apart, apart_by_label, mmd_squared
from cxrfair.methods._network import Representation
from cxrfair.ranges import Among


class MmdConfig(MatchConfig):
    """Settings, from `methods.mmd` of params.yaml."""

    of: Annotated[
        Literal["scores", "features"],
        Among(("scores", "features")),
        Field(description="what is matched: log p of each label, or the features behind all"),
    ]


class Mmd(Matching[MmdConfig]):
    """Keep the scores of each group distributed as those of everybody, among equal labels.

    Among the positives of a label, and among its negatives, the scores of every group are compared
    with those of all groups together, and a kernel distance between the two distributions is added
    to the loss. Where it is 0 all error rates are those of everybody, at any threshold: equalised
    odds. Nobody's group is needed once the network is trained.

    Formula
    -------
    L = mean(l) + weight * mean_k sum_g sum_y MMD^2(log p_k given g, y ; log p_k given y)
    MMD^2 = w' K w, w_i = 1[i in (g, y)] / n_gy - 1[y_i = y] / n_y
    K_ij = mean over gamma of exp(-gamma |v_i - v_j|^2), gamma = 1e-3, 1e-2, ..., 1e3

    l is an image's cross entropy, p_k = sigmoid of the logit of label k, (g, y) the images of group
    g with label y, n their numbers in the batch, v = log p_k or, `of` features, the vector that the
    last layer reads.

    Fails when
    ----------
    Cells hold one or two images: the statistic is biased upwards by about 1/n_gy, so that small
    groups are pulled towards everybody for their size alone; large batches or balanced sampling
    help. Scores that differ for a reason (graver disease within a label) are made alike too, which
    costs AUROC and calibration in every group. One constant score matches perfectly, and may be
    what is learnt, with unbalanced groups already at weight 1: look at AUROC first.

    Here
    ----
    Everything is of the gathered batch. A missing label, and one learnt with its doubt, is in no
    cell. A cell without any image adds nothing, and a single group nothing either. The sum over
    cells is averaged over labels, so that the weight means the same for 1 label and for 14; `of`
    features one kernel serves all labels.
    """

    source = (
        "Pfohl, Foryciarz & Shah 2021, arXiv:2007.10306; kernels and log p of Zhang et al. 2022, "
        "arXiv:2203.12609"
    )
    uses_groups = True
    config_type = MmdConfig

    def matched(self, made: Representation) -> Tensor:
        """Return log p (n, k), or the features (n, d)."""
        return made.pooled if self.config.of == "features" else functional.logsigmoid(made.logit)

    def differ(self, values: Tensor, weight: Tensor) -> Tensor:
        """Sum the squared discrepancies."""
        squared = apart(values) if self.config.of == "features" else apart_by_label(values)
        return mmd_squared(squared, weight).sum()


METHOD = Mmd
