import json
from pathlib import Path

import pytest
import yaml

from cxrfair.phantom import PhantomConfig
from cxrfair.scales import at_scale

PARAMS = Path(__file__).parents[3] / "params.yaml"
SMALL = {"patients": 30, "image_size": 48}


@pytest.fixture(scope="session")
def make_config():
    """Return a maker of configs: the demo's settings, few patients, and the changes asked for."""
    demo = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo")

    def make(**changes):
        merged = {**demo, **SMALL}
        for name, value in changes.items():
            nested = isinstance(value, dict) and name != "underdiagnosis"
            merged[name] = {**merged[name], **value} if nested else value
        return PhantomConfig.parse(json.dumps(merged), "phantom")

    return make
