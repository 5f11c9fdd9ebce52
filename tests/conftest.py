import os
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real, openly licensed data kept beside the repo; never part of it."""
    folder = Path(os.environ.get("CXRFAIR_SHARED_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no folder with real test data; name one in CXRFAIR_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO
