"""Social determinants of health: values of the place where people live, cut into groups."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from cxrfair import tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.attributes import ATTRIBUTES
from cxrfair.cohort.flow import Flow, tally_first
from cxrfair.config import Section
from cxrfair.lookup import places, take

PREFIX = "sdoh_"  # of the columns that hold values before they are cut
TAKEN = frozenset({*ATTRIBUTES, *tables.COHORT.columns})

AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9 _.+-]*$")]
Cuts = Mapping[str, Mapping[str, Any]]


class Cut(Section):
    """Where a variable is cut: at quantiles of the training patients, or at fixed values.

    Source: the studies that use these variables cut them in two but do not say where; the median
    (`quantile` at 0.5) is this project's choice.
    """

    rule: Literal["quantile", "value"]
    at: tuple[FiniteFloat, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _cuts_make_sense(self) -> Self:
        if any(low >= high for low, high in itertools.pairwise(self.at)):
            raise ValueError(f"at must ascend: {list(self.at)}")
        if self.rule == "quantile" and not all(0 < at < 1 for at in self.at):
            raise ValueError(f"at holds quantiles, each above 0 and below 1: {list(self.at)}")
        return self


class SdohAttribute(Section):
    """One attribute: a variable of a place (`county.NAME` or `tract.NAME`) and how it is cut.

    `groups` go from the lowest values of the variable to the highest: of the share of people
    without insurance, the low values are the group of high coverage.
    """

    variable: Annotated[str, StringConstraints(pattern=r"^(county|tract)\.\S+$")]
    cut: Cut
    groups: tuple[GroupName, ...]

    @model_validator(mode="after")
    def _groups_fit_the_cuts(self) -> Self:
        if len(self.groups) != len(self.cut.at) + 1:
            raise ValueError(
                f"groups must be one more than the cuts: {list(self.groups)} for "
                f"{len(self.cut.at)} cuts"
            )
        if len(set(self.groups)) < len(self.groups) or tables.UNKNOWN in self.groups:
            raise ValueError(
                f"groups must differ, and none may be {tables.UNKNOWN!r}: {list(self.groups)}"
            )
        return self


class SdohConfig(Section):
    """Section `sdoh` of params.yaml: attributes made of the places where patients live."""

    attributes: dict[AttributeName, SdohAttribute]

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        if taken := sorted(TAKEN & set(self.attributes)):
            raise ValueError(f"attributes {taken} exist already; choose other names")
        return self


def attach(
    records: pd.DataFrame, residences: pd.DataFrame, values: pd.DataFrame, config: SdohConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every image the values of its patient's county or tract; what is not known stays empty.

    Parameters
    ----------
    records, residences, values
        Rows of `tables.RECORDS`, `tables.RESIDENCES` and `tables.SURROUNDINGS`.

    Returns
    -------
    tuple of DataFrame
        `records` in their order with a float column `sdoh_<attribute>` each, in the variable's own
        unit, NaN where unknown; and rows of `tables.FLOW`, which say why values are unknown.

    Raises
    ------
    CohortError
        If a variable is not in `values` at all.
    """
    row = places(records["patient_id"], residences["patient_id"])
    homes = {level: take(residences[f"{level}_fips"], row) for level in ("county", "tract")}
    flow = Flow()
    flow.step("home of the patient", records, records, _homes(homes["county"], homes["tract"]))
    found = {}
    for name, attribute in config.attributes.items():
        level, variable = attribute.variable.split(".", 1)
        of_place = _of_places(values, level, variable, name)
        value, why = _look_up(homes[level], of_place)
        found[f"{PREFIX}{name}"] = value
        flow.step(f"{name.replace('_', ' ')} of the {level}", records, records, why)
    return records.assign(**found), flow.table()


def fit_cuts(
    chosen: pd.DataFrame, splits: pd.DataFrame, config: SdohConfig
) -> dict[str, dict[str, Any]]:
    """Find where to cut each variable: on patients of the training fold alone, each counted once.

    Quantiles are interpolated linearly between patients' values. A value equal to a limit belongs
    to the group above it; so with many equal values the groups may be far from equal in size, which
    `patients` shows.

    Parameters
    ----------
    chosen, splits
        Rows of the tables of those names. Attributes without a column in `chosen` (a data set that
        is not linked to places) are left out, and so are all where nobody is in training (an
        external data set, of which no study asks for such attributes).

    Returns
    -------
    dict
        By attribute, ready for JSON: variable, rule, at, limits (in the variable's unit), groups,
        n_patients (training patients with a value), patients (of these, in each group), fitted_on.

    Raises
    ------
    CohortError
        If no training patient has a value, or a patient has two.
    """
    training = splits.loc[splits["fold"] == "train", "image_id"]
    if training.empty:
        return {}
    rows = chosen[places(chosen["image_id"], training) >= 0]
    return {
        name: _fit(name, attribute, rows)
        for name, attribute in config.attributes.items()
        if f"{PREFIX}{name}" in chosen
    }


def apply_cuts(chosen: pd.DataFrame, cuts: Cuts) -> pd.DataFrame:
    """Turn values into groups; a missing value is unknown, one equal to a limit in the group above.

    Parameters
    ----------
    chosen
        Rows of `tables.CHOSEN`.
    cuts
        What `fit_cuts` returned.

    Returns
    -------
    DataFrame
        Rows of `tables.COHORT`, with a column of group names for each attribute.

    Raises
    ------
    CohortError
        If `chosen` lacks the values of an attribute.
    """
    if lacking := [name for name in cuts if f"{PREFIX}{name}" not in chosen]:
        raise CohortError(f"chosen: no values of {lacking}; link the data set to a source of them")
    grouped = {
        name: _groups(chosen[f"{PREFIX}{name}"], cut["limits"], cut["groups"])
        for name, cut in cuts.items()
    }
    return chosen[list(tables.COHORT.columns)].assign(**grouped)


def _homes(county: pd.Series, tract: pd.Series) -> str | None:
    """Count what is known of homes."""
    has = {"county": county.notna(), "tract": tract.notna()}
    reasons = {
        "county and tract": has["county"] & has["tract"],
        "county only": has["county"],
        "tract only": has["tract"],
    }
    return tally_first(reasons, "none")


def _of_places(values: pd.DataFrame, level: str, variable: str, name: str) -> pd.DataFrame:
    """Return fips and value of one variable, for the places of one level."""
    of_level = values[values["level"] == level]
    rows = of_level[of_level["variable"] == variable]
    if rows.empty:
        have = ", ".join(sorted(of_level["variable"].unique())) or "none"
        raise CohortError(
            f"params.yaml sdoh.attributes.{name}.variable: no {variable!r} of any {level}; "
            f"the linked sources have: {have}"
        )
    return rows[["fips", "value"]]


def _look_up(fips: pd.Series, of_place: pd.DataFrame) -> tuple[NDArray[np.float64], str | None]:
    """Return each home's value; count why values are known or not."""
    place = places(fips, of_place["fips"])
    value = np.where(place < 0, np.nan, of_place["value"].to_numpy(np.float64)[place])
    reasons = {
        "no residence": fips.isna(),
        "place not in the table": pd.Series(place < 0),
        "no value of the place": pd.Series(np.isnan(value)),
    }
    return value, tally_first(reasons, "known")


def _fit(name: str, attribute: SdohAttribute, training: pd.DataFrame) -> dict[str, Any]:
    """Cut one attribute."""
    column = f"{PREFIX}{name}"
    people = training[["patient_id", column]].dropna().drop_duplicates()
    if people.empty:
        raise CohortError(
            f"sdoh.attributes.{name}: none of {training['patient_id'].nunique()} training patients "
            f"has a value of {attribute.variable}; one at least is needed to cut it"
        )
    if people["patient_id"].duplicated().any():
        raise CohortError(
            f"chosen.{column}: {people['patient_id'].duplicated().sum()} patients have several "
            "values; allowed: one home each"
        )
    by_quantile = attribute.cut.rule == "quantile"
    limits = np.quantile(people[column], attribute.cut.at) if by_quantile else attribute.cut.at
    groups = _groups(people[column], list(limits), attribute.groups).value_counts()
    return {
        "variable": attribute.variable,
        "rule": attribute.cut.rule,
        "at": list(attribute.cut.at),
        "limits": [float(limit) for limit in limits],
        "groups": list(attribute.groups),
        "n_patients": len(people),
        "patients": {group: int(groups.get(group, 0)) for group in attribute.groups},
        "fitted_on": "train",
    }


def _groups(values: pd.Series, limits: list[float], groups: tuple[str, ...]) -> pd.Series:
    """Name the group of each value."""
    names = pd.array([*groups, tables.UNKNOWN], dtype="str")
    place = np.searchsorted(limits, values.to_numpy(), side="right")
    return pd.Series(names.take(np.where(values.isna(), len(groups), place)), values.index)
