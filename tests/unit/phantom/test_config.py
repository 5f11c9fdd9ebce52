import pytest

from cxrfair.config import ConfigError


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"race_shares": {"white": 0.9}}, "add up to 1.2; they must add up to 1"),
        ({"visits": {"none": 0.5}}, "they must add up to 1"),
        ({"underdiagnosis": {"martian": 0.1}}, "phantom.underdiagnosis.martian"),
        ({"lateral_share": 1.5}, "phantom.lateral_share"),
        ({"image_size": 16}, "phantom.image_size"),
        ({"contrast": 1.0}, "phantom.contrast: no such setting"),
    ],
)
def test_a_wrong_setting_is_named(make_config, change, words):
    with pytest.raises(ConfigError, match="params.yaml") as error:
        make_config(**change)
    assert words in str(error.value)
