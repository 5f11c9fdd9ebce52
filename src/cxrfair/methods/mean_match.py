"""Matching of mean scores between groups."""

from torch import Tensor
from torch.nn import functional

from cxrfair.methods._matching import MatchConfig, Matching
from cxrfair.methods._network import Representation


class MeanMatch(Matching[MatchConfig]):
    """Keep the mean score of each group that of everybody, among equal labels.

    Among the positives of a label, and among its negatives, the mean log score of every group is
    compared with that of all groups together, and the squared difference is added to the loss. It
    is `mmd` with means in place of whole distributions: cheaper, steadier in small cells, and blind
    to differences in spread. Nobody's group is needed once the network is trained.

    Formula
    -------
    L = mean(l) + weight * mean_k sum_g sum_y (mean(log p_k given g, y) - mean(log p_k given y))^2

    l is an image's cross entropy, p_k = sigmoid of the logit of label k, (g, y) the images of group
    g with label y in the batch.

    Fails when
    ----------
    Error rates differ though means do not: a group with more spread has more false positives and
    more false negatives, and this method sees neither. log p has no bound below, so a few confident
    negatives decide a mean; a mean over one or two images is mostly noise, and squaring it pulls
    small groups hardest. Scores that differ for a reason are made alike too, and with a large
    weight all scores become one constant: look at AUROC first.

    Here
    ----
    Everything is of the gathered batch. A missing label, and one learnt with its doubt, is in no
    cell. A cell without any image adds nothing, and a single group nothing either. The sum over
    cells is averaged over labels, so that the weight means the same for 1 label and for 14.
    """

    source = (
        "Pfohl, Foryciarz & Shah 2021, arXiv:2007.10306; log p as in Zhang et al. 2022, "
        "arXiv:2203.12609"
    )
    uses_groups = True
    config_type = MatchConfig

    def matched(self, made: Representation) -> Tensor:
        """Return log p (n, k)."""
        return functional.logsigmoid(made.logit)

    def differ(self, values: Tensor, weight: Tensor) -> Tensor:
        """Sum the squared differences of means."""
        return (weight @ values.T.unsqueeze(2)).square().sum()


METHOD = MeanMatch
