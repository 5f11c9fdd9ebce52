"""Both ways at once: cells over their target are thinned out, those under it gain copies."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.rebalance._resampling import BlendedAim, resampled

READS_FEATURES = True


class Config(BlendedAim):
    """Section `rebalance.resample` of params.yaml."""


def rebalance(
    members: pd.DataFrame, config: Config, seed: int, features: NDArray[np.float32]
) -> pd.DataFrame:
    """Bring every cell to its target; the list is as long as before (unless that is the median).

    Source: Roudsari 2025 (ICML), Section 4.2.
    """
    return resampled(members, config, seed, features, ("resample", "both"))
