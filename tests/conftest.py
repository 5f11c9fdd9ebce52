import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import settings

REPO = Path(__file__).parents[1]

# One thread a test worker, before anything loads torch: more are many times slower where workers
# share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, and no stopwatch: machines are noisy.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("steady")


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


@pytest.fixture(scope="session")
def made():
    """The made-up study of `made_study.py`: results without a run."""
    spec = spec_from_file_location("made_study", REPO / "tests" / "made_study.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
