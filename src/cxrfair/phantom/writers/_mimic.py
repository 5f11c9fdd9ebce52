"""What MIMIC-CXR and MIMIC-IV share: subject identifiers and one shifted timeline."""

import numpy as np
import pandas as pd

from cxrfair.phantom import noise
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import Keys

DATASET = "mimic_cxr"  # the data set whose studies MIMIC-IV's stays are arranged around


def subject_ids(config: PhantomConfig, patients: Keys) -> Keys:
    """Return 8-digit subject identifiers."""
    return 10_000_000 + noise.permuted(patients, config.seed, "subject")


def study_ids(config: PhantomConfig, keys: Keys) -> Keys:
    """Return 8-digit study identifiers."""
    return 50_000_000 + noise.permuted(keys, config.seed, "study")


def first_days(config: PhantomConfig, patients: Keys) -> pd.DatetimeIndex:
    """Return midnight of each patient's first study, shifted to the years 2110 to 2199."""
    u = noise.uniform(config.seed, "timeline", patients, 1)[:, 0]
    return pd.Timestamp("2110-01-01") + pd.to_timedelta((u * 90 * 365).astype(int), unit="D")


def study_times(config: PhantomConfig, studies: pd.DataFrame) -> pd.Series:
    """Return when each study was made, to the second."""
    first = first_days(config, studies["patient"].to_numpy())
    hour = noise.uniform(config.seed, "hour", studies["key"].to_numpy(), 1)[:, 0]
    seconds = np.floor(studies["day"]) * 86_400 + np.floor(hour * 86_400)
    return pd.Series(first + pd.to_timedelta(seconds, unit="s"), index=studies.index)


def absent(config: PhantomConfig, patients: Keys) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which patients the hospital's tables know nothing of."""
    u = noise.uniform(config.seed, "absent", patients, 1)[:, 0]
    gone: np.ndarray[tuple[int], np.dtype[np.bool_]] = u < config.missing_share
    return gone
