import json

import pytest

from cxrfair.config import ConfigError
from cxrfair.studies import (
    Study,
    StudyError,
    home_of,
    homes,
    scored_by,
    single,
    trained,
    upstream_of,
)

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
        (
            {"products": ["sounds"]},
            "study.products.0: .*'embeddings', 'maps', 'saliency' or 'pointing'",
        ),
        ({"variants": {"erm": {"method": "erm", "sed": 1}}}, "study.variants.erm.sed: no such"),
        (
            {"variants": {"erm": {"method": "erm", "against": "dro"}, "dro": {"method": "dro"}}},
            "variants.erm.against: 'dro'; the study's reference is compared with none",
        ),
        *(
            (
                {"variants": {"erm": {"method": "erm"}, "a": {"method": "erm", "against": other}}},
                rf"variants.a.against: '{other}'; allowed: another variant, \['erm'\]",
            )
            for other in ("a", "b")
        ),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(json.dumps(STUDY | change), "study")


def test_variants_are_compared_with_the_reference_or_with_what_they_say():
    variants = {name: {"method": "erm"} for name in ("erm", "half", "half_dro")}
    variants["half_dro"]["against"] = "half"
    study = Study.parse(json.dumps(STUDY | {"variants": variants}))
    assert [study.compared_with(name) for name in variants] == ["", "erm", "half"]


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


def test_a_model_of_any_of_several_methods_will_do():
    assert upstream_of(chain(upstream="dro"), "jtt", "erm|group_dro") == "dro"
    assert upstream_of(chain(upstream="b"), "jtt", "erm|group_dro") == "b"
    assert upstream_of(chain(), "jtt", "lff|group_dro") == "dro"


@pytest.mark.parametrize(
    ("upstream", "method", "message"),
    [
        ({}, "erm", r"variants.jtt: it starts from a model of 'erm'; set `upstream` to .*: a, b$"),
        ({}, "lff", "one of this study's: none$"),
        ({}, "erm|group_dro", r"a model of 'erm' or 'group_dro'; set `upstream` to .*: a, b, dro$"),
        ({"upstream": "jtt"}, "lff|group_dro", "upstream 'jtt' does not fit; .*: dro$"),
        ({"upstream": "dro"}, "erm", "variants.jtt: upstream 'dro' does not fit; .*: a, b$"),
        ({"upstream": "c"}, "erm", "upstream 'c' does not fit; .*: a, b$"),
        ({"upstream": "jtt"}, "jtt", "upstream 'jtt' does not fit; .*: none$"),
    ],
)
def test_an_upstream_that_cannot_be_told_is_an_error_with_the_choices(upstream, method, message):
    with pytest.raises(StudyError, match=message):
        upstream_of(chain(**upstream), "jtt", method)


def with_post(**post):
    """The quick study with a variant of `post` between two trained ones."""
    usual = {"post": "equalised_odds", "upstream": "erm", "groups": ["sex"]}
    odds = {key: value for key, value in (usual | post).items() if value is not None}
    variants = {"erm": {"method": "erm"}, "odds": odds, "b": {"method": "erm"}}
    return Study.parse(json.dumps(STUDY | {"variants": variants}), "study")


def test_a_variant_with_post_has_the_scores_of_its_upstream_and_no_training():
    study = with_post()
    assert trained(study) == ("erm", "b")
    assert [scored_by(study, name) for name in study.variants] == ["erm", "erm", "b"]
    assert study.variants["odds"].method is None


def test_a_trained_variant_scores_itself_whatever_it_starts_from():
    study = chain(upstream="a")
    assert [scored_by(study, name) for name in study.variants] == ["a", "b", "dro", "jtt"]
    assert trained(study) == tuple(study.variants)


def test_no_method_starts_from_a_variant_with_post():
    variants = {"jtt": {"method": "jtt", "upstream": "odds"}}
    described = json.loads(with_post().model_dump_json(exclude_unset=True))
    study = Study.parse(json.dumps(described | {"variants": described["variants"] | variants}))
    with pytest.raises(StudyError, match="'odds' does not fit; .* one of this study's: erm, b$"):
        upstream_of(study, "jtt", "erm")


@pytest.mark.parametrize(
    ("post", "message"),
    [
        ({"upstream": None}, "study.variants.odds: no `upstream`; `post` needs the variant whose"),
        ({"groups": None}, "study.variants.odds: no `groups`; `post` needs the attributes"),
        ({"groups": []}, "study.variants.odds: no `groups`"),
        ({"method": "erm"}, "study.variants.odds: method and post; allowed: one of `method` or"),
        ({"train": {}, "settings": {}}, r"odds: \['settings', 'train'\]; .* leave it out"),
        ({"rebalance": "none"}, r"study.variants.odds: \['rebalance'\]; a variant with `post`"),
        ({"post": None}, "study.variants.odds: none; allowed: one of `method` or `head` or `post`"),
        ({"post": "odds"}, "study.variants.odds.post: .*'equalised_odds' or 'equal_opportunity'"),
        ({"upstream": "x"}, r"variants.odds.upstream: 'x'; .* one of \['erm', 'b'\]"),
        ({"upstream": "odds"}, r"variants.odds.upstream: 'odds'; .* one of \['erm', 'b'\]"),
    ],
    ids=str,
)
def test_a_variant_with_post_says_all_it_needs_and_nothing_else(post, message):
    with pytest.raises(ConfigError, match=message):
        with_post(**post)


AWAY = {"datasets": ["sites", "jsrt", "chexpert"], "external": ["jsrt", "chexpert"]}


def test_models_of_external_data_sets_are_those_of_home():
    study = Study.parse(json.dumps(STUDY | AWAY))
    assert homes(study) == ("sites",)
    assert [home_of(study, name) for name in study.datasets] == ["sites"] * 3
    with pytest.raises(StudyError, match="no data set 'nih'; have sites, jsrt, chexpert"):
        home_of(study, "nih")


def test_without_external_data_sets_each_is_at_home():
    study = Study.parse(json.dumps(STUDY | {"datasets": ["a", "b"]}))
    assert homes(study) == ("a", "b")
    assert [home_of(study, name) for name in "ab"] == ["a", "b"]
    assert study.guidance == "source"


def test_an_external_data_set_may_have_thresholds_of_groups():
    study = json.loads(with_post().model_dump_json(exclude_unset=True)) | AWAY
    assert homes(Study.parse(json.dumps(study))) == ("sites",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"external": ["padchest"]}, r"external: \['padchest'\]; allowed: some of `datasets`"),
        ({"external": ["jsrt"]}, r"external: 2 other data sets \(sites, chexpert\); exactly one"),
        ({"external": AWAY["datasets"]}, r"external: 0 other data sets \(none\); exactly one"),
        ({"external": ["jsrt", "jsrt"]}, "external holds an entry twice"),
        ({"inputs": "embeddings"}, "external: allowed with inputs 'images' alone"),
        (
            {"variants": STUDY["variants"] | {"last": {"head": "dfr", "upstream": "erm"}}},
            r"external: not with last layers \(`head`\), as in last",
        ),
        ({"products": ["pointing"]}, "products: 'pointing' is of maps; add 'maps'"),
        ({"guidance": "truths"}, "study.guidance: .*'source' or 'truth'"),
    ],
    ids=str,
)
def test_external_data_sets_that_do_not_hang_together_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(json.dumps(STUDY | AWAY | change), "study")


def test_maps_may_be_held_against_outlines():
    study = Study.parse(json.dumps(STUDY | {"products": ["maps", "pointing"]}))
    assert study.products == ("maps", "pointing")
