import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.config import ConfigError
from cxrfair.labels import (
    IN_DOUBT,
    LabelConfig,
    LabelError,
    faults,
    judged,
    parts,
    stated,
    targets,
    union_faults,
)

LABELS = pd.DataFrame(
    [
        ("i1", "edema", "positive"),
        ("i2", "edema", "negative"),
        ("i3", "edema", "uncertain"),
        ("i4", "edema", "unmentioned"),
        ("i1", "mass", "positive"),
        ("i3", "mass", "uncertain"),
        ("i5", "mass", "positive"),
    ],
    columns=["image_id", "label", "state"],
)
UNCERTAIN = ["ignore", "zero", "one", "keep"]
UNMENTIONED = ["ignore", "zero"]


UNION = {"lesion": ["nodule", "mass"]}


def _config(uncertain="ignore", unmentioned="zero", union=UNION, **named):
    return LabelConfig(
        uncertain={"default": uncertain, **named},
        unmentioned={"default": unmentioned},
        union=union,
    )


def _plain(frame, label="edema"):
    rows = frame[frame["label"] == label].sort_values("image_id")["target"]
    return [None if pd.isna(t) else int(t) for t in rows]


@pytest.mark.parametrize(
    ("uncertain", "unmentioned", "expected"),
    [
        ("ignore", "zero", [1, 0, None, 0, 0]),
        ("zero", "ignore", [1, 0, 0, None, None]),
        ("one", "ignore", [1, 0, 1, None, None]),
        ("keep", "zero", [1, 0, -1, 0, 0]),
    ],
)
def test_every_policy_by_hand(uncertain, unmentioned, expected):
    frame = targets(LABELS, ("edema",), _config(uncertain, unmentioned))
    tables.TARGETS.check(frame)
    assert frame["image_id"].tolist() == ["i1", "i2", "i3", "i4", "i5"]
    assert _plain(frame) == expected


def test_no_two_policies_are_the_same():
    made = {
        (u, m): tuple(_plain(targets(LABELS, ("edema",), _config(u, m))))
        for u in UNCERTAIN
        for m in UNMENTIONED
    }
    assert len(set(made.values())) == len(made)


def test_a_label_named_has_its_own_policy():
    frame = targets(LABELS, ("edema", "mass"), _config("one", mass="zero"))
    assert _plain(frame)[2] == 1
    assert _plain(frame, "mass")[2] == 0
    config = LabelConfig(
        uncertain={"default": "ignore"},
        unmentioned={"default": "zero", "mass": "ignore"},
        union={},
    )
    frame = targets(LABELS, ("edema", "mass"), config)
    assert _plain(frame) == [1, 0, None, 0, 0]
    assert _plain(frame, "mass") == [1, None, None, None, 1]


def test_missing_and_doubtful_targets_survive_the_file(tmp_path):
    config = _config("keep", "ignore")
    tables.TARGETS.write(targets(LABELS, ("edema", "mass"), config), tmp_path / "t.parquet")
    again = tables.TARGETS.read(tmp_path / "t.parquet")
    assert len(again) == 10
    assert int(again["target"].isna().sum()) == 4
    assert int((again["target"] == IN_DOUBT).sum()) == 2
    assert int(judged(again["target"]).isna().sum()) == 6
    assert set(judged(again["target"]).dropna()) == {0, 1}


def test_an_unknown_label_lists_those_there_are():
    with pytest.raises(
        LabelError, match=r"labels: no \['effusion'\]; the data set has edema, mass"
    ):
        targets(LABELS, ("edema", "effusion"), _config())


def test_a_policy_for_a_label_no_study_has_is_a_fault():
    config = _config(mass="zero", edma="one")
    assert faults(config, ["mass", "edema", "mass"]) == [
        "params.yaml labels.uncertain.edma: no study has this label; have edema, mass"
    ]
    assert faults(_config(), ["edema"]) == []
    config = LabelConfig(
        uncertain={"default": "keep"}, unmentioned={"default": "zero", "x": "zero"}, union={}
    )
    assert faults(config, ["y"])[0].startswith("params.yaml labels.unmentioned.x: no study")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"uncertain": {"default": "maybe"}, "unmentioned": {"default": "zero"}}', "ncertain.def"),
        ('{"uncertain": {"default": "zero"}, "unmentioned": {"default": "one"}}', "'ignore' or 'z"),
        ('{"uncertain": {"edema": "zero"}, "unmentioned": {"default": "zero"}}', "no 'default'"),
        ('{"uncertain": "zero", "unmentioned": {"default": "zero"}}', "labels.uncertain: "),
    ],
)
def test_a_wrong_policy_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        LabelConfig.parse(text[:-1] + ', "union": {}}', "labels")


@pytest.mark.parametrize(
    ("union", "message"),
    [
        ({"Lesion": ["mass"]}, "labels.union: 'Lesion'; allowed: small letters"),
        ({"lesion": []}, r"labels.union: lesion is made of \[\]; allowed: one label or more"),
        ({"lesion": ["mass", "mass"]}, "allowed: one label or more, each once"),
        ({"a": ["b"], "b": ["mass"]}, r"a is made of \['b'\]; allowed: labels that are no unions"),
        ({"a": ["a"]}, r"a is made of \['a'\]"),
        ({"lesion": "mass"}, "labels.union.lesion: "),
    ],
    ids=str,
)
def test_a_wrong_union_is_refused(union, message):
    text = {"uncertain": {"default": "zero"}, "unmentioned": {"default": "zero"}, "union": union}
    with pytest.raises(ConfigError, match=message):
        LabelConfig.parse(json.dumps(text), "labels")


def test_a_union_must_be_written_out_even_where_there_is_none():
    with pytest.raises(ConfigError, match="labels.union: this setting is missing"):
        LabelConfig.parse(
            '{"uncertain": {"default": "zero"}, "unmentioned": {"default": "zero"}}', "labels"
        )


def test_a_union_has_a_name_of_its_own_and_parts_that_some_source_states():
    config = _config(union={"edema": ["mass"], "lesion": ["mass", "noduel"]})
    assert union_faults(config, {"edema", "mass"}) == [
        "params.yaml labels.union.edema: a source states this label itself; choose another name",
        "params.yaml labels.union.lesion: no source states noduel; they have edema, mass",
    ]
    assert union_faults(_config(), {"nodule", "mass"}) == []


def test_a_union_is_there_where_any_part_is():
    assert parts("lesion", _config()) == ("nodule", "mass")
    assert parts("edema", _config()) == ("edema",)
    assert stated(["mass", "edema"], _config()) == ("edema", "lesion", "mass")
    assert stated(["edema"], _config()) == ("edema",)


# What a union of nodule and mass says, by what is said of each; - is no row of an image.
SAID = [
    ("positive", "negative", "positive"),
    ("positive", "unstated", "positive"),
    ("uncertain", "negative", "uncertain"),
    ("uncertain", "positive", "positive"),
    ("negative", "unmentioned", "negative"),
    ("negative", "negative", "negative"),
    ("negative", "unstated", "negative"),
    ("unmentioned", "unstated", "unmentioned"),
    ("-", "unstated", "unmentioned"),
    ("-", "positive", "positive"),
    ("-", "negative", "negative"),
    ("unstated", "unstated", "unstated"),
]


@pytest.mark.parametrize(
    ("uncertain", "unmentioned"), [(u, m) for u in UNCERTAIN for m in UNMENTIONED]
)
def test_a_union_by_hand_and_its_own_policy(uncertain, unmentioned):
    rows = [
        (f"i{k:02d}", label, state)
        for k, pair in enumerate(SAID)
        for label, state in zip(("nodule", "mass"), pair[:2], strict=True)
        if state != "-"
    ]
    said = pd.DataFrame(rows, columns=["image_id", "label", "state"])
    config = _config("zero", unmentioned, lesion=uncertain)
    frame = targets(said, ("lesion",), config)
    tables.TARGETS.check(frame)
    side = {"ignore": None, "zero": 0, "one": 1, "keep": -1}
    wanted = {"positive": 1, "negative": 0, "unstated": None}
    wanted |= {"uncertain": side[uncertain], "unmentioned": side[unmentioned]}
    assert _plain(frame, "lesion") == [wanted[state] for _, _, state in SAID]


def test_a_union_of_one_known_label_is_that_label():
    alone = LABELS[LABELS["label"] == "mass"]
    assert _plain(targets(alone, ("lesion",), _config()), "lesion") == _plain(
        targets(alone, ("mass",), _config()), "mass"
    )
    with pytest.raises(LabelError, match=r"labels: no \['lesion'\]; the data set has edema"):
        targets(LABELS[LABELS["label"] == "edema"], ("lesion",), _config())


@pytest.mark.parametrize("unmentioned", UNMENTIONED)
def test_what_a_source_never_states_has_no_target_whatever_the_policy(unmentioned):
    said = pd.DataFrame(
        [("i1", "edema", "unstated"), ("i2", "edema", "positive")],
        columns=["image_id", "label", "state"],
    )
    tables.LABELS.check(said)
    assert _plain(targets(said, ("edema",), _config("one", unmentioned))) == [None, 1]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["edema", "mass"])),
        st.sampled_from(tables.STATES),
        min_size=1,
    ),
    st.sampled_from(UNCERTAIN),
    st.sampled_from(UNMENTIONED),
)
def test_what_the_source_was_sure_of_is_never_changed(states, uncertain, unmentioned):
    rows = [(image, label, state) for (image, label), state in states.items()]
    labels = pd.DataFrame(rows, columns=["image_id", "label", "state"])
    wanted = tuple(labels["label"].unique())
    frame = targets(labels, wanted, _config(uncertain, unmentioned))
    assert len(frame) == labels["image_id"].nunique() * len(wanted)
    target_of = frame.set_index(["image_id", "label"])["target"]
    for key, state in states.items():
        if state in {"positive", "negative"}:
            assert target_of[key] == (state == "positive")
