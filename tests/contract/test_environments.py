"""The same versions wherever they are named."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement


def pins(lines):
    found = (re.match(r"^([A-Za-z0-9_.-]+)==([^ ;]+)$", line.strip()) for line in lines)
    return {m[1].lower().replace("_", "-"): m[2] for m in found if m}


@pytest.fixture
def locked(repo):
    return pins((repo / "constraints.txt").read_text().splitlines())


@pytest.mark.parametrize("path", ["environment.yml", "workflow/envs/cxrfair.yaml"])
def test_conda_environments_pin_what_is_locked(repo, locked, path):
    parts = yaml.safe_load((repo / path).read_text())["dependencies"]
    listed = next(part["pip"] for part in parts if isinstance(part, dict))
    pinned = pins(listed)
    assert pinned.items() <= locked.items()
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", d)[0].lower() for d in project["dependencies"]}
    assert set(pinned) == wanted


def test_the_lock_holds_every_direct_dependency_within_its_range(repo, locked):
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        needed = Requirement(text)
        assert needed.specifier.contains(locked[needed.name.lower().replace("_", "-")]), text


def test_the_lock_names_no_build_of_one_machine(repo):
    text = (repo / "constraints.txt").read_text()
    assert "+" not in text
    assert "file:" not in text
    assert "nvidia" not in text
