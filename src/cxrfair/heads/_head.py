"""What a head on frozen features is."""

import sys
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cxrfair import plugins
from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Array = NDArray[np.float32]
NO_GROUP = -1


class HeadError(CxrfairError):
    """Heads cannot be fitted as asked on what there is."""


@dataclass(frozen=True)
class Known:
    """What is known of n images, in an order that nothing hangs on but the draws.

    `features` (n, d); `target` (n, k) in {0, 1}, between for a label in doubt, NaN where it is
    missing; `group` (n,) in [0, g), `NO_GROUP` of an image that is in none.
    """

    features: Array
    target: Array
    group: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """What heads are fitted on: names of k labels and g groups, and images of two folds.

    Each label has positives and negatives among the training images; each group has an image.
    Nothing of the test fold is here.
    """

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    train: Known
    validation: Known


@dataclass(frozen=True)
class Trials:
    """How many trials are wanted, and where they are computed.

    All that is drawn in trial t comes from a generator of (seed, t) alone: a trial is the same
    however many others there are.
    """

    seed: int
    count: int
    device: torch.device


@dataclass(frozen=True)
class Fitted:
    """Heads of t trials: logits are features @ weight[t].T + bias[t].

    `weight` (t, k, d) and `bias` (t, k), finite. `notes` say what is to be known beside them.
    """

    weight: Array
    bias: Array
    notes: tuple[str, ...] = ()


class Head(Protocol):
    """What the file of a head holds: its source, whether it needs groups, settings, a function.

    `fit` fits a head for each trial. Of `trials.count` it may make fewer where its settings say so.
    """

    SOURCE: str
    USES_GROUPS: bool
    Config: type[Section]

    def fit(self, material: Material, config: Any, trials: Trials) -> Fitted:
        """Fit all trials."""
        ...


def names() -> tuple[str, ...]:
    """Names of all heads."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> Head:
    """Return the head defined in the file of that name."""
    head: Head = plugins.find(sys.modules[__package__], name)
    return head
