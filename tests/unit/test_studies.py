import json

import pytest

from cxrfair.config import ConfigError
from cxrfair.studies import Study, single

STUDY = {
    "datasets": ["nih_chestxray14"], "labels": ["no_finding"], "attributes": ["sex", "sex x age"],
    "reference": "erm", "variants": {"erm": {"method": "erm", "rebalance": "none"}}, "seeds": [0],
}  # fmt: skip


def test_intersections_are_made_of_single_attributes():
    assert single(Study.parse(json.dumps(STUDY)).attributes) == ("sex", "age")
    assert single(["race x sex", "age", "sex"]) == ("race", "sex", "age")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "jtt"}, r"reference 'jtt' is not among \['erm'\]"),
        ({"labels": ["edema", "edema"]}, "labels holds an entry twice"),
        ({"labels": []}, "labels"),
        ({"seeds": [-1]}, "seeds"),
        ({"datasets": ["NIH data"]}, "datasets"),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(json.dumps(STUDY | change), "study")
