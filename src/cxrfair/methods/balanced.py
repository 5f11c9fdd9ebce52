"""Risk minimisation on groups that are drawn equally often."""

import numpy as np
from numpy.typing import NDArray

from cxrfair.methods._method import Listed, Method, NoConfig


class Balanced(Method[NoConfig]):
    """Draw every group of the variant equally often and minimise the mean loss.

    Groups are attributes, or attributes and labels together (`groups: [sex, edema]`): the first
    makes groups equally frequent, the second their prevalences equal too. Nothing else differs from
    `erm`, so that what it changes is what the sampling changes.

    Formula
    -------
    Example i is drawn with replacement, with chance 1 / (G n_g(i)): G groups, n_g entries of the
    training list in group g. An epoch is as long as the list. The loss of a batch is the mean over
    its images, each the mean cross entropy of its labels.

    Fails when
    ----------
    A group is small: its images are seen over and over and learnt by heart, while most of a large
    group is left out of an epoch. With labels among the groups the network learns another
    prevalence than it will meet, so that scores are not probabilities and thresholds have to come
    from validation.

    Here
    ----
    An image whose label is missing or in doubt is in a group `missing` of that label, a cell like
    any other, with as large a share. A group without an image in the list has no share.

    `rebalance: balanced` draws in the same way but is a strategy: its columns are those of
    `rebalance.balanced.over` (any attribute or label of the cohort, for all variants that take it),
    its weights stand in the training list, and any method trains on it. Here the cells are the
    variant's own `groups`. Where both are chosen the weights multiply, which balances neither.
    """

    source = "Idrissi et al. 2022, arXiv:2110.14503, section 2 (RWG)"
    uses_groups = True
    provenance = "counts of groups in the training list, before the first step"

    def chances(self, listed: Listed) -> NDArray[np.float64]:
        """Return m / (G n_g) for an example of group g: 1 for each where groups are equal."""
        count = np.bincount(listed.group)
        present = np.count_nonzero(count)
        weight: NDArray[np.float64] = len(listed.group) / (present * count[listed.group])
        return weight


METHOD = Balanced
