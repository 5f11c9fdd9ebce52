"""Y -> X: where each finding lies in each study, and what findings do to a body."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cxrfair import plugins
from cxrfair.phantom import findings, noise
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.findings._finding import Finding
from cxrfair.phantom.population import FINDINGS

FINDING: Mapping[str, Finding] = {name: plugins.find(findings, name).FINDING for name in FINDINGS}


def place(config: PhantomConfig, studies: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Draw where each finding lies in each study, whether or not it is there.

    Columns `<finding>_side` (-1 picture left, 0 both, 1 picture right), `_x` (distance from the
    midline), `_y` and `_size`, in the picture's units; `<finding>_load` is 0 without the finding
    and grows with its severity and with the setting `finding_contrast`.
    """
    keys = studies["key"].to_numpy()
    columns = {}
    for name, finding in FINDING.items():
        side, x, y, size = noise.uniform(config.seed, f"place {dataset} {name}", keys, 4).T
        low, high = finding.heights
        one = np.where(side < (1 + finding.both_share) / 2, -1, 1)
        grade = 0.45 + 0.55 * studies[f"{name}_severity"].to_numpy()
        columns[f"{name}_side"] = np.where(side < finding.both_share, 0, one)
        columns[f"{name}_x"] = 0.24 + 0.26 * x
        columns[f"{name}_y"] = low + (high - low) * y
        columns[f"{name}_size"] = np.clip(1 + 0.2 * ndtri(size), 0.5, 1.6)
        columns[f"{name}_load"] = config.finding_contrast * grade * studies[name].to_numpy()
    return pd.DataFrame(columns, index=studies.index)


def reshape(body: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the bodies, changed by the findings that are there."""
    changed = body.copy()
    for name, finding in FINDING.items():
        own = [rows[f"{name}_{number}"].to_numpy(float) for number in ("side", "load", "severity")]
        for column, added in finding.reshape(*own).items():
            changed[column] += added
    return changed
