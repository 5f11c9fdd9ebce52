"""A fresh last layer on images drawn whatever their group: what retraining alone does."""

from typing import Annotated

from pydantic import Field, PositiveInt

from cxrfair.heads._batched import Learning, train
from cxrfair.heads._head import Fitted, Material, Trials
from cxrfair.heads._sample import imbalanced

SOURCE = "fair class-balanced fine-tuning, section 3.2 (baseline Fine-tuning)"
USES_GROUPS = False


class Config(Learning):
    """Settings, from `heads.finetune` of params.yaml."""

    images: Annotated[PositiveInt, Field(description="training images a trial draws, of any group")]


def fit(material: Material, config: Config, trials: Trials) -> Fitted:
    """Train a fresh head by cross entropy on a random sample of all training images.

    Fails when
    ----------
    Groups or labels are rare: the sample is as unequal as the training fold.

    Here
    ----
    The paper calls its sample imbalanced and says no number: it should be that of the balanced
    ones. See `fair_class_balanced` for `weighted_bce`. Where the training fold has fewer images,
    each is drawn once and some again.

    Raises
    ------
    HeadError
        With `weighted_bce`, if a label has no positive, or no image is without findings.
    """
    sampler = imbalanced(len(material.train.target), config.images)
    return train(material, config, sampler, trials)
