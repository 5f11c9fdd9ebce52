import json
from pathlib import Path

import pytest
import yaml

from cxrfair.phantom import PhantomConfig

PARAMS = Path(__file__).parents[3] / "params.yaml"
SMALL = {"patients": 30, "image_size": 48}


@pytest.fixture(scope="session")
def make_config():
    """Return a maker of configs: the demo's settings, few patients, and the changes asked for."""
    section = yaml.safe_load(PARAMS.read_text())["phantom"]
    scales = {"demo", "small", "paper"}
    demo = {
        k: v["demo"] if isinstance(v, dict) and set(v) == scales else v for k, v in section.items()
    }

    def make(**changes):
        merged = {**demo, **SMALL}
        for name, value in changes.items():
            nested = isinstance(value, dict) and name != "underdiagnosis"
            merged[name] = {**merged[name], **value} if nested else value
        return PhantomConfig.parse(json.dumps(merged), "phantom")

    return make
