"""Results of the made-up study, for the tests of this folder."""

import pytest


@pytest.fixture(scope="session")
def results(made):
    return made.results()
