import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.config import ConfigError
from cxrfair.labels import IN_DOUBT, LabelConfig, LabelError, faults, judged, targets

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


def _config(uncertain="ignore", unmentioned="zero", **named):
    return LabelConfig(
        uncertain={"default": uncertain, **named}, unmentioned={"default": unmentioned}
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
        uncertain={"default": "ignore"}, unmentioned={"default": "zero", "mass": "ignore"}
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
        uncertain={"default": "keep"}, unmentioned={"default": "zero", "x": "zero"}
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
        LabelConfig.parse(text, "labels")


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
