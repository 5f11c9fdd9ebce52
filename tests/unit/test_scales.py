import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.config import ConfigError
from cxrfair.scales import overridden, resolve, split_section

PARAMS = {
    "scale": "small",
    "a": {"b": {"demo": 1, "small": 2, "paper": 3}, "c": [{"demo": 4, "small": 5, "paper": 6}]},
}


def test_the_scale_picks_values_at_any_depth():
    assert resolve(PARAMS) == {"scale": "small", "a": {"b": 2, "c": [5]}}


def test_a_mapping_with_other_keys_is_left_alone():
    part = {"demo": 1, "small": 2}
    assert resolve({"scale": "demo", "a": part})["a"] == part


def test_a_study_that_is_null_is_left_out():
    study = {"labels": ["edema"], "search": None}
    params = {**PARAMS, "studies": {"quickstart": None, "own": study}}
    assert resolve(params)["studies"] == {"own": study}


def test_a_variant_that_is_null_at_a_scale_is_left_out():
    large = {"method": "erm", "train": {"epochs": {"demo": 1, "small": 2, "paper": 3}}}
    variants = {"some": {"demo": None, "small": large, "paper": large}, "other": None}
    params = {"scale": "demo", "studies": {"own": {"variants": variants}}}
    assert resolve(params)["studies"]["own"] == {"variants": {}}
    found = resolve(params | {"scale": "paper"})["studies"]["own"]["variants"]
    assert found == {"some": {"method": "erm", "train": {"epochs": 3}}}
    assert "other" in variants


def test_a_study_may_split_in_its_own_way():
    shared = {"by": "fraction", "seed": 7, "stratify": [], "validation": 0.2, "test": 0.25}
    params = {"split": shared}
    assert split_section(params, {}) == shared
    own = {"test": 0.2, "stratify": ["sex"]}
    assert split_section(params, {"split": own}) == shared | own
    assert split_section(params, {"split": own | {"by": "fraction"}}) == shared | own
    kfold = {"by": "kfold", "folds": 5, "fold": 0}
    assert split_section(params, {"split": kfold}) == {"seed": 7, "stratify": []} | kfold
    assert params["split"] == shared


def test_all_of_an_external_data_set_is_tested_however_the_study_splits():
    shared = {"by": "fraction", "seed": 7, "stratify": ["sex"], "validation": 0.2, "test": 0.25}
    study = {"datasets": ["a", "b"], "external": ["b"], "split": {"test": 0.2}}
    assert split_section({"split": shared}, study, "a") == shared | {"test": 0.2}
    assert split_section({"split": shared}, study) == shared | {"test": 0.2}
    wanted = {"by": "external", "seed": 7, "stratify": []}
    assert split_section({"split": shared}, study, "b") == wanted
    own = study | {"split": {"by": "kfold", "folds": 5, "fold": 0, "seed": 9}}
    assert split_section({"split": shared}, own, "b") == wanted | {"seed": 9}
    assert split_section({"split": shared}, {"datasets": ["b"]}, "b") == shared


@pytest.mark.parametrize("scale", ["huge", None])
def test_an_unknown_scale_is_refused(scale):
    with pytest.raises(ConfigError, match=r"params.yaml scale: .*; allowed: demo, small, paper"):
        resolve({**PARAMS, "scale": scale})


VALUES = st.integers(0, 3) | st.text("xy", max_size=1)
KEYS = st.sampled_from(["a", "b", "c"])
SECTIONS = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=3),
    lambda part: st.dictionaries(KEYS, VALUES | part, max_size=3),
    max_leaves=8,
)  # without `kind`: parts that are always merged


def leaves(section, *path):
    """Yield the path and the value of everything that is not a part with something in it."""
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, *path, key)
        else:
            yield (*path, key), value


def at(section, path):
    for key in path:
        section = section[key]
    return section


@given(SECTIONS, SECTIONS)
def test_every_value_asked_for_is_there_and_nothing_given_is_changed(section, changes):
    before = copy.deepcopy((section, changes))
    merged = overridden(section, changes)
    for path, value in leaves(changes):
        if value != {}:
            assert at(merged, path) == value
    assert (section, changes) == before


@given(SECTIONS, SECTIONS)
def test_what_is_not_named_stays(section, changes):
    merged = overridden(section, changes)
    named = [path for path, _ in leaves(changes)]
    for path, value in leaves(section):
        touched = any(path[: len(n)] == n or n[: len(path)] == path for n in named)
        if not touched:
            assert at(merged, path) == value


@given(SECTIONS, SECTIONS)
def test_no_change_changes_nothing_and_twice_is_once(section, changes):
    assert overridden(section, {}) == section
    assert overridden(section, section) == section
    once = overridden(section, changes)
    assert overridden(once, changes) == once


def test_a_part_of_the_same_kind_is_changed_value_by_value():
    train = {"optimiser": {"kind": "adamw", "learning_rate": 0.1, "weight_decay": 0.0}, "n": 1}
    for change in ({"learning_rate": 0.2}, {"kind": "adamw", "learning_rate": 0.2}):
        made = overridden(train, {"optimiser": change})
        assert made == {"optimiser": train["optimiser"] | {"learning_rate": 0.2}, "n": 1}


def test_a_part_of_another_kind_replaces_all_of_it():
    train = {"schedule": {"kind": "step", "every_epochs": 2, "factor": 0.5}}
    other = {"kind": "cosine", "warmup_epochs": 0.0}
    assert overridden(train, {"schedule": other}) == {"schedule": other}


def test_a_value_may_become_a_part_and_a_part_a_value():
    assert overridden({"a": 1, "b": {"c": 2}}, {"a": {"d": 3}, "b": None}) == {
        "a": {"d": 3},
        "b": None,
    }
