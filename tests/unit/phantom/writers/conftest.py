import pytest

from cxrfair import phantom


@pytest.fixture(scope="session")
def written(make_config, tmp_path_factory):
    """Return a function that writes a data set once a session and gives its root and truth."""
    done = {}

    def get(name, **changes):
        key = (name, repr(sorted(changes.items())))
        if key not in done:
            root = tmp_path_factory.mktemp(name) / "root"
            truth = root.with_name("truth.parquet")
            phantom.write(name, make_config(**changes), root, truth)
            done[key] = (root, truth)
        return done[key]

    return get
