"""Ranges beside settings, read off sections."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from cxrfair import ranges
from cxrfair.config import Section
from cxrfair.ranges import Among, Between
from cxrfair.training.config import Adam, Sgd, TrainConfig


class Inner(Section):
    kind: Literal["inner"]
    rate: Annotated[PositiveFloat, Between(0.1, 10, log=True), Field(description="a rate")]


class Other(Section):
    kind: Literal["other"]
    decay: Annotated[float, Between(0, 1)]


class Outer(Section):
    steps: Annotated[PositiveInt, Field(description="how many"), Between(1, 8)]
    often: Annotated[PositiveInt | None, Between(1, 3)]
    odds: Annotated[bool, Among((True, False))]
    name: str
    part: Annotated[Inner | Other, Field(discriminator="kind")]


def test_those_with_a_range_are_listed_and_whole_numbers_known():
    assert ranges.of(Outer) == {
        "steps": Between(1, 8, whole=True),
        "often": Between(1, 3, whole=True),
        "odds": Among((True, False)),
    }
    assert ranges.of(Inner) == {"rate": Between(0.1, 10, log=True)}


def test_a_section_inside_has_the_ranges_of_the_kind_it_is():
    outer = {"steps": 2, "often": None, "odds": True, "name": "x"}
    inner = Outer.model_validate({**outer, "part": {"kind": "inner", "rate": 1.0}})
    other = Outer.model_validate({**outer, "part": {"kind": "other", "decay": 0.5}})
    assert ranges.within(inner) == {**ranges.of(Outer), "part.rate": Between(0.1, 10, log=True)}
    assert ranges.within(other) == {**ranges.of(Outer), "part.decay": Between(0, 1)}


def test_every_optimiser_has_the_same_ranges():
    wanted = {
        "learning_rate": Between(1e-5, 1e-2, log=True),
        "weight_decay": Between(1e-6, 1e-2, log=True),
    }
    assert ranges.of(Adam) == ranges.of(Sgd) == wanted
    assert ranges.of(TrainConfig) == {}
