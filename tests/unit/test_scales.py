import pytest

from cxrfair.config import ConfigError
from cxrfair.scales import resolve

PARAMS = {
    "scale": "small",
    "a": {"b": {"demo": 1, "small": 2, "paper": 3}, "c": [{"demo": 4, "small": 5, "paper": 6}]},
}


def test_the_scale_picks_values_at_any_depth():
    assert resolve(PARAMS) == {"scale": "small", "a": {"b": 2, "c": [5]}}


def test_a_mapping_with_other_keys_is_left_alone():
    part = {"demo": 1, "small": 2}
    assert resolve({"scale": "demo", "a": part})["a"] == part


@pytest.mark.parametrize("scale", ["huge", None])
def test_an_unknown_scale_is_refused(scale):
    with pytest.raises(ConfigError, match=r"params.yaml scale: .*; allowed: demo, small, paper"):
        resolve({**PARAMS, "scale": scale})
