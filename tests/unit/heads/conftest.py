import numpy as np
import pytest
import torch

from cxrfair.heads import Known, Material, Trials

LABELS, GROUPS = ("no_finding", "edema", "mass"), ("a", "b", "c")


@pytest.fixture
def material():
    """90 training and 120 validation images with 5 features that say something of every label.

    Of training labels some are missing and some in doubt; one image has none; two are in no group.
    """

    def made(n, seed, gaps):
        rng = np.random.default_rng(seed)
        group = rng.choice(len(GROUPS), n, p=[0.5, 0.3, 0.2]).astype(np.int64)
        target = (rng.random((n, len(LABELS))) < [0.5, 0.3, 0.4]).astype(np.float32)
        mixed = rng.normal(size=(n, 5)) + target @ rng.normal(size=(len(LABELS), 5))
        if gaps:
            target[rng.random(target.shape) < 0.1] = np.nan
            target[rng.random(target.shape) < 0.1] = 0.5
            target[7], group[[3, 4]] = np.nan, -1
        return Known(mixed.astype(np.float32), target, group)

    return Material(LABELS, GROUPS, made(90, 0, True), made(120, 1, False))


@pytest.fixture
def trials():
    return lambda count=3, seed=5: Trials(seed, count, torch.device("cpu"))
