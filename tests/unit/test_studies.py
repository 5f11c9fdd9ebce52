import json

import pytest

from cxrfair.config import ConfigError
from cxrfair.studies import Study, StudyError, single, upstream_of

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
        ({"products": ["embeddings", "embeddings"]}, "products holds an entry twice"),
        ({"products": ["saliency"]}, "study.products.0: .*'embeddings' or 'maps'"),
        ({"variants": {"erm": {"method": "erm", "sed": 1}}}, "study.variants.erm.sed: no such"),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(json.dumps(STUDY | change), "study")


def chain(**upstream):
    """A study of two plain variants and one that starts from `upstream`, if that is given."""
    variants = {"a": {"method": "erm"}, "b": {"method": "erm", "rebalance": "balanced"}}
    variants["dro"] = {"method": "group_dro", "groups": ["sex"]}
    changed = {"variants": variants | {"jtt": {"method": "jtt", **upstream}}, "reference": "a"}
    return Study.parse(json.dumps(STUDY | changed))


def test_the_upstream_is_the_named_variant():
    assert upstream_of(chain(upstream="a"), "jtt", "erm") == "a"
    assert upstream_of(chain(upstream="b"), "jtt", "erm") == "b"


def test_the_only_one_that_fits_needs_no_name():
    assert upstream_of(chain(), "jtt", "group_dro") == "dro"


@pytest.mark.parametrize(
    ("upstream", "method", "message"),
    [
        ({}, "erm", r"variants.jtt: it starts from a model of 'erm'; set `upstream` to .*: a, b$"),
        ({}, "lff", "one of this study's: none$"),
        ({"upstream": "dro"}, "erm", "variants.jtt: upstream 'dro' does not fit; .*: a, b$"),
        ({"upstream": "c"}, "erm", "upstream 'c' does not fit; .*: a, b$"),
        ({"upstream": "jtt"}, "jtt", "upstream 'jtt' does not fit; .*: none$"),
    ],
)
def test_an_upstream_that_cannot_be_told_is_an_error_with_the_choices(upstream, method, message):
    with pytest.raises(StudyError, match=message):
        upstream_of(chain(**upstream), "jtt", method)
