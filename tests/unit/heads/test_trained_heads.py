"""The heads that learn by gradient: what each draws, and what each is held to."""

import numpy as np
import pytest
import torch

from cxrfair.heads import HeadError, Known, Material, Trials, dfr, fair_class_balanced, finetune
from cxrfair.heads._batched import Fairness, train
from cxrfair.heads._rates import SoftRates
from cxrfair.heads._sample import balanced, imbalanced

LEARNING = {
    **{"learning_rate": 0.02, "weight_decay": 0.0, "batch_size": 32, "epochs": 1},
    "weighted_bce": False,
}
FAIR = {**LEARNING, "per_group": 20, "alpha": 1.0, "denominator": "group"}


def test_finetune_draws_whatever_the_group(material, trials):
    config = finetune.Config(**LEARNING, images=40)
    found = finetune.fit(material, config, trials())
    wanted = train(material, config, imbalanced(90, 40), trials())
    np.testing.assert_array_equal(found.weight, wanted.weight)


def test_dfr_draws_of_each_group_alike(material, trials):
    config = dfr.Config(**LEARNING, per_group=20)
    found = dfr.fit(material, config, trials())
    sampler = balanced(material.train.group, material.groups, 20)
    wanted = train(material, config, sampler, trials())
    np.testing.assert_array_equal(found.weight, wanted.weight)
    assert any("group c: 18 images; 2 of the 20" in note for note in found.notes), found.notes


def test_without_alpha_it_is_dfr(material, trials):
    found = fair_class_balanced.fit(
        material, fair_class_balanced.Config(**{**FAIR, "alpha": 0.0}), trials()
    )
    wanted = dfr.fit(material, dfr.Config(**LEARNING, per_group=20), trials())
    np.testing.assert_allclose(found.weight, wanted.weight, atol=1e-6)


@pytest.mark.parametrize("denominator", ["group", "conditional", "gap"])
def test_labels_weigh_by_how_rare_they_are_in_training(material, trials, denominator):
    config = fair_class_balanced.Config(**{**FAIR, "denominator": denominator, "alpha": 3.0})
    found = fair_class_balanced.fit(material, config, trials())
    target = material.train.target
    certain = np.isin(target, (0, 1)).sum(0)
    weight = torch.tensor((certain - (target == 1).sum(0)) / certain, dtype=torch.float32)
    sampler = balanced(material.train.group, material.groups, 20)
    pushed = Fairness(3.0, SoftRates(denominator, weight))
    wanted = train(material, config, sampler, trials(), pushed)
    np.testing.assert_array_equal(found.weight, wanted.weight)


def planted():
    """A cue that says the group, and by it the label: three in four of group b, one in four of a.

    One feature says the label itself, with noise.
    """
    rng = np.random.default_rng(0)
    n = 4000
    group = np.arange(n) % 2
    target = (rng.random(n) < np.where(group, 0.75, 0.25)).astype(np.float32)
    x = np.stack([target + rng.normal(size=n), 2.0 * group - 1], axis=1).astype(np.float32)
    known = Known(x, target[:, None], group)
    return Material(("edema",), ("a", "b"), known, known)


def gaps(material, found):
    """Return the larger gap of soft error rates, and the mean rate, by trial."""
    known = material.train
    logit = known.features @ found.weight[:, 0].T + found.bias[:, 0]
    score, target = 1 / (1 + np.exp(-logit)), known.target[:, 0]
    rate = [
        [np.abs(score - y)[(target == y) & (known.group == g)].mean(0) for g in (0, 1)]
        for y in (0, 1)
    ]
    return np.abs(np.diff(rate, axis=1)).max((0, 1)), np.mean(rate, axis=(0, 1))


def test_gaps_shrink_where_they_are_what_is_held_down():
    """On planted features plain heads have gaps above 0.3, with `gap` and alpha 3 half of it."""
    material, wanted = planted(), Trials(0, 4, torch.device("cpu"))
    fair = {**FAIR, "per_group": 2000, "epochs": 3, "batch_size": 64}
    plain = fair_class_balanced.fit(
        material, fair_class_balanced.Config(**{**fair, "alpha": 0.0}), wanted
    )
    held = fair_class_balanced.fit(
        material,
        fair_class_balanced.Config(**{**fair, "alpha": 3.0, "denominator": "gap"}),
        wanted,
    )
    before, after = gaps(material, plain)[0], gaps(material, held)[0]
    assert (before > 0.3).all()
    assert (after < before / 2).all(), (before, after)


def test_conditional_rates_fall_where_they_are_held_down():
    material, wanted = planted(), Trials(0, 4, torch.device("cpu"))
    rates = []
    for alpha in (0.0, 3.0):
        config = fair_class_balanced.Config(
            **{**FAIR, "per_group": 2000, "alpha": alpha, "denominator": "conditional"}
        )
        rates.append(gaps(material, fair_class_balanced.fit(material, config, wanted))[1])
    assert (rates[1] < rates[0]).all()


def test_a_group_without_a_training_image_is_refused(material, trials):
    more = Material(material.labels, (*material.groups, "d"), material.train, material.validation)
    for head, config in (
        (dfr, dfr.Config(**LEARNING, per_group=5)),
        (fair_class_balanced, fair_class_balanced.Config(**FAIR)),
    ):
        with pytest.raises(HeadError, match=r"none of 1 groups \(d\); each needs one"):
            head.fit(more, config, trials())
