"""Which images a study uses, and why the others are left out."""

from typing import Literal, Self

import pandas as pd
from pydantic import Field, PositiveInt, model_validator

from cxrfair import tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.attributes import (
    ATTRIBUTES,
    RaceGrouping,
    age_groups,
    insurance_groups,
    race_groups,
)
from cxrfair.cohort.flow import Flow
from cxrfair.config import Section


class CohortConfig(Section):
    """Section `cohort` of params.yaml."""

    views: tuple[str, ...] = Field(min_length=1)
    unknown_attributes: Literal["drop", "keep"]
    age_bins_years: tuple[PositiveInt, ...] = Field(min_length=1)
    race_groups: RaceGrouping

    @model_validator(mode="after")
    def _cuts_ascend(self) -> Self:
        if list(self.age_bins_years) != sorted(set(self.age_bins_years)):
            raise ValueError(f"age_bins_years must ascend: {list(self.age_bins_years)}")
        return self


def select(
    records: pd.DataFrame,
    store_index: pd.DataFrame,
    config: CohortConfig,
    attributes: tuple[str, ...],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the images that can be read, have a wanted view and, if so told, known attributes.

    Parameters
    ----------
    records, store_index
        Rows of the tables of those names; every record has a row in the index.
    attributes
        The study's single attributes (of `attributes.ATTRIBUTES`), each a step of its own.

    Returns
    -------
    tuple of DataFrame
        Rows of `tables.COHORT` and of `tables.FLOW`.

    Raises
    ------
    CohortError
        If an attribute or a race word is not known here, an image is not in the index, or no image
        is left.
    """
    if odd := sorted(set(attributes) - set(ATTRIBUTES)):
        raise CohortError(f"cohort attributes: {odd}; allowed: {', '.join(ATTRIBUTES)}")
    rows = _grouped(records, config).merge(
        store_index[["image_id", "quarantine"]], on="image_id", how="left", indicator=True
    )
    _all_in_store(rows)
    flow = Flow()
    rows = flow.keep("readable image", rows, rows["quarantine"].isna(), rows["quarantine"])
    rows = flow.keep(
        f"view {' or '.join(config.views)}", rows, rows["view"].isin(config.views), rows["view"]
    )
    for attribute in attributes if config.unknown_attributes == "drop" else ():
        known = rows[attribute] != tables.UNKNOWN
        rows = flow.keep(f"known {attribute}", rows, known, rows[attribute])
    if rows.empty:
        raise CohortError(f"cohort: no image is left; {_losses(flow.table())}")
    return rows[list(tables.COHORT.columns)].reset_index(drop=True), flow.table()


def _grouped(records: pd.DataFrame, config: CohortConfig) -> pd.DataFrame:
    """Replace the source's words by groups."""
    return records.assign(
        age=age_groups(records["age_years"], config.age_bins_years),
        race=race_groups(records["race"], config.race_groups),
        insurance=insurance_groups(records["insurance"]),
    )


def _all_in_store(rows: pd.DataFrame) -> None:
    """Raise if the store index does not know an image: it is then of other records."""
    lost = rows.loc[rows["_merge"] == "left_only", "image_id"]
    if len(lost):
        raise CohortError(
            f"store_index: {len(lost)} of {len(rows)} records have no row; each needs one"
        )


def _losses(flow: pd.DataFrame) -> str:
    """Say what each step lost."""
    lost = flow[flow["images_lost"] > 0]
    return "; ".join(
        f"{row.step}: {row.images_lost} of {row.images_in} lost ({row.why})"
        for row in lost.itertuples()
    )
