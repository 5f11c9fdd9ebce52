"""Up-sampling by augmentation: cells under their target gain copies of their members."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.rebalance._resampling import BlendedAim, resampled

READS_FEATURES = True


class Config(BlendedAim):
    """Section `rebalance.augment_upsample` of params.yaml."""


def rebalance(
    members: pd.DataFrame, config: Config, seed: int, features: NDArray[np.float32]
) -> pd.DataFrame:
    """Copy members of cells under their target; leave the others as they are.

    Copies are whole rounds of all members and a random remainder, each with its own augmentation
    seed. Source: Roudsari 2025 (ICML), Section 4.2.2.
    """
    return resampled(members, config, seed, features, ("augment_upsample", "up"))
