from typing import Annotated, Literal

import pytest
from pydantic import Field

from cxrfair import datasets, plugins
from cxrfair.config import ConfigError, Section
from cxrfair.plugins import UnknownNameError


class Part(Section):
    size: int
    share: float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"size": 1}', "params.yaml part.share: this setting is missing"),
        ('{"size": 1, "share": 0.5, "sise": 2}', "params.yaml part.sise: no such setting"),
        ('{"size": "1", "share": 0.5}', r"params.yaml part.size: .* \(got '1'\)"),
        ('{"size": 1.5, "share": 0.5}', r"params.yaml part.size: .* \(got 1.5\)"),
        ("{", "part"),
    ],
)
def test_each_wrong_key_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        Part.parse(text, "part")


def test_a_section_cannot_be_changed():
    part = Part.parse('{"size": 1, "share": 1}')
    with pytest.raises(ValueError, match="frozen"):
        part.size = 2


def test_a_registry_lists_its_public_files_and_refuses_others():
    assert {"mimic_cxr", "mimic_iv", "nih_chestxray14"} < set(plugins.names(datasets))
    assert not [name for name in plugins.names(datasets) if name.startswith("_")]
    with pytest.raises(UnknownNameError, match=r"no '_source'; have chexlocalize"):
        plugins.find(datasets, "_source")


class Fast(Section):
    kind: Literal["fast"]
    speed: float


class Slow(Section):
    kind: Literal["slow"]
    wait: float


class Chosen(Section):
    how: Annotated[Fast | Slow, Field(discriminator="kind")]


def test_a_key_is_named_as_it_stands_in_the_file_whatever_its_kind():
    with pytest.raises(ConfigError) as caught:
        Chosen.parse('{"how": {"kind": "fast", "wait": 2.0}}', "chosen")
    lines = str(caught.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "params.yaml chosen.how.speed",
        "params.yaml chosen.how.wait",
    ]
