"""Down-sampling by clusters: cells over their target keep the members that stand for them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.rebalance._resampling import resampled
from cxrfair.rebalance._targets import Aim

READS_FEATURES = True


class Config(Aim):
    """Section `rebalance.cluster_downsample` of params.yaml."""


def rebalance(
    members: pd.DataFrame, config: Config, seed: int, features: NDArray[np.float32]
) -> pd.DataFrame:
    """Thin out cells over their target by k-means on features; leave the others as they are.

    No image is listed twice. Source: Roudsari 2025 (ICML), Section 4.2.3.
    """
    return resampled(members, config, seed, features, ("cluster_downsample", "down"))
