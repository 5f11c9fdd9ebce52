"""What can be set about the phantom, and the vocabulary of its groups and findings."""

from typing import Annotated, Any, Literal, Self, TypeVar

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

    white: Share = Field(description="Share of patients who are White, 0 to 1.")
    black: Share = Field(description="Share of patients who are Black, 0 to 1.")
    hispanic: Share = Field(description="Share of patients who are Hispanic, 0 to 1.")
    asian: Share = Field(description="Share of patients who are Asian, 0 to 1.")
    other: Share = Field(description="Share of patients of any other race, 0 to 1.")

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        return _whole(self)


class VisitShares(Section):
    """Share of studies by what the hospital's tables hold around them; they add up to one."""

    admission: Share = Field(description="Share of studies made during an admission, 0 to 1.")
    emergency: Share = Field(
        description="Share of studies made during an emergency stay that led to no admission, "
        "0 to 1."
    )
    nearby: Share = Field(description="Share of studies made weeks from an admission, 0 to 1.")
    distant: Share = Field(description="Share of studies made years from an admission, 0 to 1.")
    none: Share = Field(description="Share of studies that left no stay in any table, 0 to 1.")

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        return _whole(self)


def _of_studies(shows: str) -> Any:
    """Declare the prevalence of a finding; `shows` ends the sentence."""
    return Field(description=f"Share of studies that show {shows}, 0 to 1.")


class Prevalence(Section):
    """Share of studies that truly show a finding, before any group differs."""

    atelectasis: Share = _of_studies("a collapsed band of lung and less volume on that side")
    cardiomegaly: Share = _of_studies("a heart too wide for the chest")
    consolidation: Share = _of_studies("a dense patch of filled lung with air-filled bronchi")
    edema: Share = _of_studies("haze spreading from both hila")
    enlarged_cardiomediastinum: Share = _of_studies("a widened upper mediastinum")
    fracture: Share = _of_studies("broken ribs, with a step where they broke")
    lung_opacity: Share = _of_studies("a faint patch that is nothing more certain")
    mass: Share = _of_studies("a disc of more than three centimetres in a lung")
    nodule: Share = _of_studies("a disc of less than three centimetres in a lung")
    pleural_effusion: Share = _of_studies("fluid that fills a costophrenic angle")
    pleural_other: Share = _of_studies("pleura thickened along the chest wall")
    pneumonia: Share = _of_studies("a rough patch, mostly in a lower lung")
    pneumothorax: Share = _of_studies("air without lung markings at the top of a chest half")
    support_devices: Share = _of_studies("lines, tubes, leads or a pacemaker")


class DirectPath(Section):
    """Strength of S -> X: how far an attribute alone changes the picture; 0 = not at all."""

    sex: Strength = Field(
        description="Strength of breast shadow and thorax width by sex; 0 = none, 1 = usual."
    )
    race: Strength = Field(
        description="Strength of the tone curve and grain that go with race; 0 = none, 1 = usual."
    )
    age: Strength = Field(
        description="Strength of fading ribs, unfolding aorta and brightening spine with age; "
        "0 = none, 1 = usual."
    )


class IndirectPath(Section):
    """Strength of S -> Y: how far prevalences differ between groups; 1 = as published, 0 = none."""

    sex: Strength = Field(
        description="Strength of the difference in disease by sex; 0 = none, 1 = as published."
    )
    race: Strength = Field(
        description="Strength of the difference in disease by race; 0 = none, 1 = as published."
    )
    age: Strength = Field(
        description="Strength of the difference in disease by age; 0 = none, 1 = as published."
    )
    insurance: Strength = Field(
        description="Strength of the difference in disease by insurance; 0 = none, "
        "1 = as published."
    )


class PhantomConfig(Section):
    """The section `phantom` of params.yaml: the simulated population and its pictures."""

    seed: NonNegativeInt = Field(
        description="Seed of everything random: the same seed gives the same people and pictures."
    )
    patients: PositiveInt = Field(
        description="Number of patients, 1 or more; further patients change nobody."
    )
    image_size: Annotated[int, Field(ge=32, le=1024)] = Field(
        description="Side of the square pictures that are written, in pixels, 32 to 1024."
    )
    studies_per_patient: Annotated[float, Field(ge=1, le=6)] = Field(
        description="Mean number of studies of a patient, 1 to 6; nobody has more than 8."
    )
    lateral_share: Share = Field(
        description="Share of studies with a side view too, 0 to 1, in data sets that have them."
    )
    female_share: Share = Field(description="Share of patients who are female, 0 to 1.")
    race_shares: RaceShares = Field(description="Share of patients of each race; they add up to 1.")
    prevalence: Prevalence = Field(
        description="Share of studies that truly show each finding, before any group differs."
    )
    direct_path: DirectPath = Field(
        description="S -> X: how far each attribute alone changes the picture, 0 or more."
    )
    indirect_path: IndirectPath = Field(
        description="S -> Y: how far disease differs between groups, 0 or more; 1 = as published."
    )
    device_path: Strength = Field(
        description="S -> X by the device: how far old and Medicaid patients are X-rayed in bed "
        "more often; 0 = not at all."
    )
    site_shift: Strength = Field(
        description="How far each data set's look is from the common one; 0 = all look alike."
    )
    finding_contrast: Strength = Field(
        description="How plainly findings show; 0 = not at all, 1 = usual."
    )
    noise: Strength = Field(description="Grain of the pictures; 0 = none, 1 = usual.")
    underdiagnosis: dict[Group, Share] = Field(
        description="S, Y -> label: share of findings that reports miss, by group, 0 to 1."
    )
    overdiagnosis: Share = Field(
        description="Share of absent findings that reports see all the same, 0 to 1."
    )
    uncertain_share: Share = Field(
        description="Share of reported findings that are reported with doubt, 0 to 1."
    )
    unmentioned_share: Share = Field(
        description="Share of findings not seen that reports pass over in silence, 0 to 1."
    )
    box_share: Share = Field(
        description="Share of reported findings that a box is drawn around, 0 to 1, in data sets "
        "with boxes."
    )
    visits: VisitShares = Field(
        description="Share of studies by what the hospital's tables hold around them; they add up "
        "to 1."
    )
    sdoh_path: Strength = Field(
        description="How far a neighbourhood's income and insurance cover go with race and "
        "insurance; 0 = not at all."
    )
    missing_share: Share = Field(
        description="Share of patients, stays or images without a race, an insurance, a view or a "
        "patient row, 0 to 1."
    )
    race_conflict_share: Share = Field(
        description="Share of stays whose race differs from the patient's, 0 to 1."
    )
    dirt_share: Share = Field(
        description="Share of rows that are not as they should be, 0 to 1: stays that overlap or "
        "end before they begin, codes that lost a zero, -999 for unknown, pictures under two names."
    )
    corrupt_share: Share = Field(description="Share of image files that cannot be read, 0 to 1.")
    mimic_iv_version: Literal[1, 2, 3] = Field(
        description="Form of the hospital tables that MIMIC-IV is written in: 1, 2 or 3."
    )


def _whole(shares: S) -> S:
    total = sum(shares.model_dump().values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares add up to {total:g}; they must add up to 1")
    return shares
