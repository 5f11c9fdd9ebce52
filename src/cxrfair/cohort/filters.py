"""Which images a study uses, and why the others are left out."""

from typing import Literal, Self

import pandas as pd
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

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
from cxrfair.cohort.sdoh import PREFIX
from cxrfair.config import Section


class AgeRange(Section):
    """Both ends are let in."""

    min: NonNegativeFloat
    max: NonNegativeFloat

    @model_validator(mode="after")
    def _holds_someone(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max is {self.max:g}; allowed: {self.min:g} (min) or more")
        return self


class CohortConfig(Section):
    """Section `cohort` of params.yaml."""

    views: tuple[str, ...] = Field(min_length=1)
    age_years: AgeRange
    unknown_attributes: Literal["drop", "keep"]
    duplicate_images: Literal["drop", "keep"]
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

    An unknown age is neither too low nor too high: only a study that asks about age leaves it out.
    Of images with the same pixels the first by name is kept, if so told; that comes last, so that
    no picture is lost for having a twin that can't be used.

    Parameters
    ----------
    records, store_index
        Rows of the tables of those names; every record has a row in the index.
    attributes
        The study's single attributes, each a step of its own: those of `attributes.ATTRIBUTES`, and
        those that the records hold as `sdoh_<name>` (known where that is not empty).

    Returns
    -------
    tuple of DataFrame
        Rows of `tables.CHOSEN` and of `tables.FLOW`.

    Raises
    ------
    CohortError
        If an attribute or a race word is not known here, an image is not in the index, or no image
        is left.
    """
    _all_known(attributes, records)
    rows = _grouped(records, config).merge(
        store_index[["image_id", "quarantine", "checksum"]],
        on="image_id",
        how="left",
        indicator=True,
    )
    _all_in_store(rows)
    flow = Flow()
    rows = flow.keep("readable image", rows, rows["quarantine"].isna(), rows["quarantine"])
    rows = flow.keep(
        f"view {' or '.join(config.views)}", rows, rows["view"].isin(config.views), rows["view"]
    )
    rows = _of_age(rows, config.age_years, flow)
    for attribute in attributes if config.unknown_attributes == "drop" else ():
        known = _is_known(rows, attribute)
        rows = flow.keep(f"known {attribute}", rows, known, _constant(rows, tables.UNKNOWN))
    if config.duplicate_images == "drop":
        rows = _each_picture_once(rows, flow)
    if rows.empty:
        raise CohortError(f"cohort: no image is left; {_losses(flow.table())}")
    return rows[list(tables.CHOSEN.kinds(rows.columns))].reset_index(drop=True), flow.table()


def _all_known(attributes: tuple[str, ...], records: pd.DataFrame) -> None:
    """Raise if an attribute is neither everybody's nor one of where people live."""
    places = [str(c).removeprefix(PREFIX) for c in records.columns if str(c).startswith(PREFIX)]
    if odd := sorted(set(attributes) - {*ATTRIBUTES, *places}):
        raise CohortError(
            f"cohort attributes: {odd}; allowed: {', '.join(ATTRIBUTES)}, and of where people live "
            f"{', '.join(sorted(places)) or 'none (the data set is linked to no such source)'}"
        )


def _is_known(rows: pd.DataFrame, attribute: str) -> pd.Series:
    """Tell which images an attribute is known of."""
    if attribute in ATTRIBUTES:
        return rows[attribute] != tables.UNKNOWN
    return rows[PREFIX + attribute].notna()


def _of_age(rows: pd.DataFrame, allowed: AgeRange, flow: Flow) -> pd.DataFrame:
    """Keep the images taken at an age that is allowed or unknown."""
    age = rows["age_years"]
    young, old = age < allowed.min, age > allowed.max
    reasons = _constant(rows, "younger").mask(old, "older")
    name = f"age {allowed.min:g} to {allowed.max:g} years"
    return flow.keep(name, rows, ~(young | old), reasons)


def _each_picture_once(rows: pd.DataFrame, flow: Flow) -> pd.DataFrame:
    """Keep the first image by name of those with the same pixels."""
    again = rows.sort_values("image_id").duplicated("checksum") & rows["checksum"].notna()
    kept = ~again.reindex(rows.index)
    reasons = _constant(rows, "same pixels as another image")
    return flow.keep("picture not stored under another name", rows, kept, reasons)


def _constant(rows: pd.DataFrame, word: str) -> pd.Series:
    """Say the same of every row."""
    return pd.Series(word, index=rows.index, dtype="str")


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
