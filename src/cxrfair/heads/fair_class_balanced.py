"""Class-balanced fine-tuning: a fresh head on groups alike, held to equal soft error rates."""

from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt

from cxrfair.heads._batched import Fairness, Learning, train
from cxrfair.heads._head import Fitted, Material, Trials
from cxrfair.heads._rates import Denominator, SoftRates, label_weights
from cxrfair.heads._sample import balanced
from cxrfair.ranges import Among, Between

SOURCE = "fair class-balanced fine-tuning, equations 1 to 7"
USES_GROUPS = True


class Config(Learning):
    """Settings, from `heads.fair_class_balanced` of params.yaml."""

    per_group: Annotated[PositiveInt, Field(description="training images a trial draws of a group")]
    alpha: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="weight of the soft error rates beside the cross entropy"),
    ]
    denominator: Annotated[
        Denominator,
        Among(("group", "conditional", "gap")),
        Field(description="what soft error rates are shares of, or that gaps between them count"),
    ]


def fit(material: Material, config: Config, trials: Trials) -> Fitted:
    """Train a fresh head on as many images of each group, its soft error rates a part of the loss.

    Formula
    -------
    L = BCE + alpha (fpr + fnr), where BCE is the mean over images and labels of
    -(p_k y log s + (1 - y) log(1 - s)), p_k = n_no_finding / n_k with `weighted_bce`, else 1; fpr
    and fnr are means over groups of the means over labels, weighted by w_k = (n - n_k) / n, of the
    groups' soft rates in the batch (`heads._rates.SoftRates`). n and n_k count training images.

    Fails when
    ----------
    Labels are rare: with `group` both rates are shares of all images of a group, so that
    fpr, which most images are in, outweighs fnr, and scores fall. No option but `gap` compares
    groups at all: `group` and `conditional` lower every group's rates alike. In a batch of 32 a
    group of eight has four images, so that rates among positives are those of one or none.

    Here
    ----
    Equation 2 names L_BCE, the symbol that equation 1 defines with weights p_k; the text calls
    that one of pretraining. We read it as weighted: Table 2 has balanced accuracies of 0.60 to 0.65
    at a threshold of 0.5 over 14 mostly rare labels, and an unweighted loss leaves most positives
    of a rare label below 0.5. That holds of DFR and Fine-tuning too. It is inferred, not said;
    `weighted_bce: false` is the other reading. Equation 1 is a sum; we take the mean, as torch
    does: alpha 1 would be nothing beside a sum over 448 terms. |G| in equations 6 and 7 is all
    groups, with those absent from a batch 0.

    Raises
    ------
    HeadError
        If a group has no training image, or what `weighted_bce` needs is not there.
    """
    sampler = balanced(material.train.group, material.groups, config.per_group)
    weight = torch.from_numpy(label_weights(material.train.target)).float().to(trials.device)
    fairness = Fairness(config.alpha, SoftRates(config.denominator, weight))
    return train(material, config, sampler, trials, fairness)
