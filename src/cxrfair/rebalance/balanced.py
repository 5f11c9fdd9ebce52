"""Balanced sampling: every cell of the chosen columns is drawn equally often."""

import pandas as pd
from pydantic import Field

from cxrfair.config import Section
from cxrfair.rebalance._strategy import RebalanceError, once_each


class Config(Section):
    """Section `rebalance.balanced` of params.yaml; `over` names attributes or labels."""

    over: tuple[str, ...] = Field(min_length=1)


def rebalance(members: pd.DataFrame, config: Config, seed: int) -> pd.DataFrame:
    """Weigh each image by one over the size of its cell; the weights sum to the number of images.

    Images whose label is missing are a cell of their own. Source: reweighted sampling as in
    Idrissi et al. 2022 (CLeaR), Section 2 (RWG).

    Raises
    ------
    RebalanceError
        If `over` names a column that the members do not have.
    """
    allowed = [str(column) for column in members if column != "image_id"]
    if odd := [name for name in config.over if name not in allowed]:
        raise RebalanceError(
            f"params.yaml rebalance.balanced.over: no {odd}; have {', '.join(allowed)}"
        )
    cells = members.groupby(list(config.over), dropna=False, observed=True)
    n_of_cell = cells["image_id"].transform("size")
    return once_each(members, len(members) / (cells.ngroups * n_of_cell), seed)
