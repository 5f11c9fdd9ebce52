"""What can be set about the phantom, and the vocabulary of its groups and findings."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from cxrfair.config import Section

Share = Annotated[float, Field(ge=0, le=1)]
Strength = NonNegativeFloat
S = TypeVar("S", bound=Section)
Sex = Literal["female", "male"]
Race = Literal["white", "black", "hispanic", "asian", "other"]
Insurance = Literal["medicare", "private", "medicaid", "other"]
Group = Literal[
    "female", "male", "white", "black", "hispanic", "asian", "medicare", "private", "medicaid"
]

SEXES: tuple[Sex, ...] = ("female", "male")
RACES: tuple[Race, ...] = ("white", "black", "hispanic", "asian", "other")
INSURANCES: tuple[Insurance, ...] = ("medicare", "private", "medicaid", "other")


class RaceShares(Section):
    """Share of each race among patients; they add up to one."""

    white: Share
    black: Share
    hispanic: Share
    asian: Share
    other: Share

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        return _whole(self)


class VisitShares(Section):
    """Share of studies by what the hospital's tables hold around them; they add up to one."""

    admission: Share  # the study lies inside an admission
    emergency: Share  # inside an emergency stay that led to no admission
    nearby: Share  # some weeks from an admission
    distant: Share  # years from an admission
    none: Share  # nothing was recorded because of this study

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        return _whole(self)


class Prevalence(Section):
    """Share of studies that truly show a finding, before any group differs."""

    atelectasis: Share
    cardiomegaly: Share
    consolidation: Share
    edema: Share
    nodule: Share
    pleural_effusion: Share
    pneumonia: Share
    pneumothorax: Share


class DirectPath(Section):
    """Strength of S -> X: how far an attribute alone changes the picture; 0 = not at all."""

    sex: Strength
    race: Strength
    age: Strength


class IndirectPath(Section):
    """Strength of S -> Y: how far prevalences differ between groups; 1 = as published, 0 = none."""

    sex: Strength
    race: Strength
    age: Strength
    insurance: Strength


class PhantomConfig(Section):
    """The section `phantom` of params.yaml; each setting is explained there."""

    seed: NonNegativeInt
    patients: PositiveInt
    image_size: Annotated[int, Field(ge=32, le=1024)]
    studies_per_patient: Annotated[float, Field(ge=1, le=6)]
    lateral_share: Share
    female_share: Share
    race_shares: RaceShares
    prevalence: Prevalence
    direct_path: DirectPath
    indirect_path: IndirectPath
    device_path: Strength
    site_shift: Strength
    finding_contrast: Strength
    noise: Strength
    underdiagnosis: dict[Group, Share]
    overdiagnosis: Share
    uncertain_share: Share
    unmentioned_share: Share
    box_share: Share
    visits: VisitShares
    sdoh_path: Strength
    missing_share: Share
    race_conflict_share: Share
    dirt_share: Share
    corrupt_share: Share
    mimic_iv_version: Literal[1, 2, 3]


def _whole(shares: S) -> S:
    total = sum(shares.model_dump().values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares add up to {total:g}; they must add up to 1")
    return shares
