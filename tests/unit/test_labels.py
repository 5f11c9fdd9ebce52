import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.labels import LabelConfig, LabelError, targets

LABELS = pd.DataFrame(
    [
        ("i1", "edema", "positive"),
        ("i2", "edema", "negative"),
        ("i3", "edema", "uncertain"),
        ("i4", "edema", "unmentioned"),
        ("i1", "mass", "positive"),
        ("i5", "mass", "positive"),
    ],
    columns=["image_id", "label", "state"],
)


@pytest.mark.parametrize(
    ("uncertain", "unmentioned", "expected"),
    [
        ("missing", "negative", [1, 0, None, 0, 0]),
        ("negative", "missing", [1, 0, 0, None, None]),
        ("positive", "missing", [1, 0, 1, None, None]),
    ],
)
def test_every_policy_by_hand(uncertain, unmentioned, expected):
    config = LabelConfig(uncertain=uncertain, unmentioned=unmentioned)
    frame = targets(LABELS, ("edema",), config)
    tables.TARGETS.check(frame)
    assert frame["image_id"].tolist() == ["i1", "i2", "i3", "i4", "i5"]
    assert [None if pd.isna(t) else t for t in frame["target"]] == expected


def test_missing_targets_survive_the_file(tmp_path):
    config = LabelConfig(uncertain="missing", unmentioned="missing")
    tables.TARGETS.write(targets(LABELS, ("edema", "mass"), config), tmp_path / "t.parquet")
    again = tables.TARGETS.read(tmp_path / "t.parquet")
    assert len(again) == 10
    assert int(again["target"].isna().sum()) == 6


def test_an_unknown_label_lists_those_there_are():
    config = LabelConfig(uncertain="missing", unmentioned="negative")
    with pytest.raises(
        LabelError, match=r"labels: no \['effusion'\]; the data set has edema, mass"
    ):
        targets(LABELS, ("edema", "effusion"), config)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["edema", "mass"])),
        st.sampled_from(tables.STATES),
        min_size=1,
    ),
    st.sampled_from(["missing", "negative", "positive"]),
    st.sampled_from(["missing", "negative"]),
)
def test_what_the_source_was_sure_of_is_never_changed(states, uncertain, unmentioned):
    rows = [(image, label, state) for (image, label), state in states.items()]
    labels = pd.DataFrame(rows, columns=["image_id", "label", "state"])
    wanted = tuple(labels["label"].unique())
    config = LabelConfig(uncertain=uncertain, unmentioned=unmentioned)
    frame = targets(labels, wanted, config)
    assert len(frame) == labels["image_id"].nunique() * len(wanted)
    target_of = frame.set_index(["image_id", "label"])["target"]
    for key, state in states.items():
        if state in {"positive", "negative"}:
            assert target_of[key] == (state == "positive")
