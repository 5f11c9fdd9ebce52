"""Deep feature reweighting as the intersectional paper does it: a fresh head, groups alike."""

from typing import Annotated

from pydantic import Field, PositiveInt

from cxrfair.heads._batched import Learning, train
from cxrfair.heads._head import Fitted, Material, Trials
from cxrfair.heads._sample import balanced

SOURCE = "fair class-balanced fine-tuning, section 3.2 (baseline DFR), after arXiv:2204.02937"
USES_GROUPS = True


class Config(Learning):
    """Settings, from `heads.dfr` of params.yaml."""

    per_group: Annotated[PositiveInt, Field(description="training images a trial draws of a group")]


def fit(material: Material, config: Config, trials: Trials) -> Fitted:
    """Train a fresh head by cross entropy on as many training images of each group.

    Fails when
    ----------
    The features do not hold what a group needs: the last layer cannot put it there. Labels stay as
    unequal within groups as they are. Of a group with fewer than `per_group` images each is drawn
    once and some again, so that trials differ less in that group than sampling would say.

    Here
    ----
    The original draws from held-out images and fits logistic regressions: that is `dfr_logreg`. See
    `fair_class_balanced` for `weighted_bce`.

    Raises
    ------
    HeadError
        If a group has no training image, or what `weighted_bce` needs is not there.
    """
    sampler = balanced(material.train.group, material.groups, config.per_group)
    return train(material, config, sampler, trials)
