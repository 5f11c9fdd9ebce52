"""The made-up study of `tests/made_study.py`, for the tests of this folder."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "made_study.py"


@pytest.fixture(scope="session")
def made():
    spec = spec_from_file_location("made_study", SOURCE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def results(made):
    return made.results()
