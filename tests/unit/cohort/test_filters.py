import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.filters import CohortConfig, select
from cxrfair.config import ConfigError

SETTINGS = {
    "views": ("AP", "PA"),
    "unknown_attributes": "drop",
    "age_bins_years": (20, 40, 60, 80),
    "race_groups": "seyyed_kalantari_2021",
}
CONFIG = CohortConfig(**SETTINGS)
KEEP = CohortConfig(**{**SETTINGS, "unknown_attributes": "keep"})
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["AP", "PA", "LATERAL", None]),
        st.sampled_from(["female", "male", "unknown"]),
        st.none() | st.integers(0, 100),
        st.sampled_from(["WHITE", "UNKNOWN", None]),
        st.none() | st.sampled_from(["truncated", "not an image"]),
    ),
    min_size=1,
    max_size=12,
)
GOOD = ("a", "AP", "female", 50, "WHITE", None)


def _frames(rows):
    known = pd.DataFrame(
        rows, columns=["patient_id", "view", "sex", "age_years", "race", "quarantine"]
    )
    ids = [f"i{i}" for i in known.index]
    records = tables.RECORDS.empty().reindex(known.index)
    records = records.assign(
        image_id=ids,
        dataset="d",
        study_id="1",
        path="x",
        age_years=known["age_years"].astype("float32"),
        **{name: known[name].astype("str") for name in ("patient_id", "view", "sex", "race")},
    )
    index = tables.STORE_INDEX.empty().reindex(known.index)
    return records, index.assign(image_id=ids, quarantine=known["quarantine"].astype("str"))


def test_each_loss_has_a_step_and_a_reason():
    rows = [
        GOOD,
        (*GOOD[:5], "truncated"),
        (*GOOD[:5], "truncated"),
        (*GOOD[:5], "not an image"),
        ("b", "LATERAL", *GOOD[2:]),
        ("b", None, *GOOD[2:]),
        ("c", "PA", "unknown", *GOOD[3:]),
        ("c", "PA", "male", None, *GOOD[4:]),
        ("c", "PA", "male", 3, "UNKNOWN", None),
    ]
    cohort, flow = select(*_frames(rows), CONFIG, ("sex", "age", "race"))
    tables.COHORT.check(cohort)
    tables.FLOW.check(flow)
    assert cohort["image_id"].tolist() == ["i0"]
    assert cohort[["sex", "age", "race", "insurance"]].iloc[0].tolist() == [
        *("female", "40-60", "white", "unknown"),
    ]
    assert flow["step"].tolist() == [
        *("readable image", "view AP or PA", "known sex", "known age", "known race"),
    ]
    assert flow["images_lost"].tolist() == [3, 2, 1, 1, 1]
    assert flow["patients_out"].tolist() == [3, 2, 2, 2, 1]
    assert flow["why"].tolist() == [
        *("truncated 2, not an image 1", "LATERAL 1, none 1"),
        *("unknown 1", "unknown 1", "unknown 1"),
    ]


def test_unknown_attributes_are_kept_when_told_to():
    rows = [GOOD, ("b", "PA", "unknown", None, None, None)]
    cohort, flow = select(*_frames(rows), KEEP, ("sex", "age", "race"))
    assert cohort.iloc[1][["sex", "age", "race"]].tolist() == ["unknown"] * 3
    assert len(flow) == 2


def test_an_attribute_the_study_does_not_ask_about_may_be_unknown():
    rows = [(*GOOD[:4], None, None)]
    assert select(*_frames(rows), CONFIG, ("sex",))[0]["race"].tolist() == ["unknown"]


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([CONFIG, KEEP]))
def test_laws(rows, config):
    cohort, flow = select(*_frames([GOOD, *rows]), config, ("sex", "age"))
    tables.COHORT.check(cohort)
    assert (flow["images_in"] - flow["images_lost"] == flow["images_out"]).all()
    assert flow["images_in"].iloc[1:].tolist() == flow["images_out"].iloc[:-1].tolist()
    assert flow["images_in"].iloc[0] == len(rows) + 1
    assert flow["images_out"].iloc[-1] == len(cohort)
    assert flow["patients_out"].iloc[-1] == cohort["patient_id"].nunique()
    assert cohort["view"].isin(["AP", "PA"]).all()
    if config is CONFIG:
        assert (cohort[["sex", "age"]] != "unknown").all(axis=None)


def test_errors_say_what_is_allowed():
    records, index = _frames([GOOD, GOOD])
    with pytest.raises(CohortError, match=r"\['gender'\]; allowed: sex, age, race, insurance"):
        select(records, index, CONFIG, ("gender",))
    with pytest.raises(CohortError, match="1 of 2 records have no row; each needs one"):
        select(records, index.iloc[:1], CONFIG, ("sex",))
    with pytest.raises(CohortError, match=r"no image is left; known insurance: 2 of 2 lost"):
        select(records, index, CONFIG, ("insurance",))


@pytest.mark.parametrize("bins", ["[40, 20]", "[20, 20]", "[0, 20]", "[]"])
def test_age_bins_must_ascend(bins):
    text = (
        '{"views": ["AP"], "unknown_attributes": "drop", "race_groups": "seyyed_kalantari_2021", '
        f'"age_bins_years": {bins}}}'
    )
    with pytest.raises(ConfigError, match="age_bins_years"):
        CohortConfig.parse(text, "cohort")
