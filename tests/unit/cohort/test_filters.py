import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.filters import AgeRange, CohortConfig, select
from cxrfair.config import ConfigError

SETTINGS = {
    "views": ("AP", "PA"),
    "age_years": AgeRange(min=0, max=120),
    "unknown_attributes": "drop",
    "duplicate_images": "drop",
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
    checksum = pd.Series(ids, dtype="str").mask(known["quarantine"].notna())
    reasons = known["quarantine"].astype("str")
    return records, index.assign(image_id=ids, quarantine=reasons, checksum=checksum)


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
    tables.CHOSEN.check(cohort)
    tables.FLOW.check(flow)
    assert cohort["image_id"].tolist() == ["i0"]
    assert cohort[["sex", "age", "race", "insurance"]].iloc[0].tolist() == [
        *("female", "40-60", "white", "unknown"),
    ]
    assert flow["step"].tolist() == [
        *("readable image", "view AP or PA", "age 0 to 120 years"),
        *("known sex", "known age", "known race", "picture not stored under another name"),
    ]
    assert flow["images_lost"].tolist() == [3, 2, 0, 1, 1, 1, 0]
    assert flow["patients_out"].tolist() == [3, 2, 2, 2, 2, 1, 1]
    why = flow["why"].astype(object).where(flow["why"].notna(), None)
    assert why.tolist() == [
        *("truncated 2, not an image 1", "LATERAL 1, none 1", None),
        *("unknown 1", "unknown 1", "unknown 1", None),
    ]


def test_unknown_attributes_are_kept_when_told_to():
    rows = [GOOD, ("b", "PA", "unknown", None, None, None)]
    cohort, flow = select(*_frames(rows), KEEP, ("sex", "age", "race"))
    assert cohort.iloc[1][["sex", "age", "race"]].tolist() == ["unknown"] * 3
    assert not flow["step"].str.startswith("known").any()


def test_an_attribute_the_study_does_not_ask_about_may_be_unknown():
    rows = [(*GOOD[:4], None, None)]
    assert select(*_frames(rows), CONFIG, ("sex",))[0]["race"].tolist() == ["unknown"]


@given(ROWS, st.sampled_from([CONFIG, KEEP]))
def test_laws(rows, config):
    cohort, flow = select(*_frames([GOOD, *rows]), config, ("sex", "age"))
    tables.CHOSEN.check(cohort)
    assert (flow["images_in"] - flow["images_lost"] == flow["images_out"]).all()
    assert flow["images_in"].iloc[1:].tolist() == flow["images_out"].iloc[:-1].tolist()
    assert flow["images_in"].iloc[0] == len(rows) + 1
    assert flow["images_out"].iloc[-1] == len(cohort)
    assert flow["patients_out"].iloc[-1] == cohort["patient_id"].nunique()
    assert cohort["view"].isin(["AP", "PA"]).all()
    if config is CONFIG:
        assert (cohort[["sex", "age"]] != "unknown").all(axis=None)


def test_an_attribute_of_where_people_live_is_known_where_it_has_a_value():
    records, index = _frames([GOOD, ("b", *GOOD[1:]), ("c", *GOOD[1:])])
    records = records.assign(sdoh_income=[50_000.0, float("nan"), 0.0], sdoh_rent=1.0)
    chosen, flow = select(records, index, CONFIG, ("sex", "income"))
    tables.CHOSEN.check(chosen)
    assert chosen["patient_id"].tolist() == ["a", "c"]
    assert chosen["sdoh_income"].tolist() == [50_000.0, 0.0]
    assert "sdoh_rent" in chosen
    step = flow.set_index("step").loc["known income"]
    assert (step["images_lost"], step["why"]) == (1, "unknown 1")
    assert len(select(records, index, KEEP, ("income",))[0]) == 3
    with pytest.raises(CohortError, match=r"\['money'\]; .*where people live income, rent"):
        select(records, index, CONFIG, ("money",))


@pytest.mark.parametrize(
    ("low", "high", "kept"),
    [(0, 120, "abcde"), (18, 80, "bcde"), (18.5, 79.5, "ce"), (0, 17, "ae"), (50, 50, "ce")],
)
def test_ages_between_both_ends_or_unknown_are_let_in(low, high, kept):
    ages = {"a": 3, "b": 18, "c": 50, "d": 80, "e": None}
    rows = [(name, "AP", "female", age, "WHITE", None) for name, age in ages.items()]
    config = CONFIG.model_copy(update={"age_years": AgeRange(min=low, max=high)})
    chosen, flow = select(*_frames(rows), config, ("sex",))
    assert "".join(chosen["patient_id"]) == kept
    step = flow.set_index("step").loc[f"age {low:g} to {high:g} years"]
    assert step["images_lost"] == 5 - len(kept)
    without = select(*_frames(rows), config, ("sex", "age"))[0]
    assert "".join(without["patient_id"]) == kept.replace("e", "")


def test_too_young_and_too_old_are_told_apart():
    rows = [GOOD, *[(*GOOD[:3], age, *GOOD[4:]) for age in (1, 2, 99)]]
    config = CONFIG.model_copy(update={"age_years": AgeRange(min=18, max=90)})
    flow = select(*_frames(rows), config, ())[1].set_index("step")
    assert flow.loc["age 18 to 90 years", "why"] == "younger 2, older 1"


def test_an_age_range_must_hold_someone():
    with pytest.raises(ConfigError, match=r"max is 10; allowed: 20 \(min\) or more"):
        AgeRange.parse('{"min": 20, "max": 10}', "cohort.age_years")


def test_a_picture_stored_twice_is_used_once_by_its_first_name():
    records, index = _frames([GOOD, ("b", *GOOD[1:]), ("c", *GOOD[1:]), ("c", *GOOD[1:])])
    index = index.assign(checksum=["x", "y", "x", "y"])
    backwards = records.iloc[::-1]
    for rows in (records, backwards):
        chosen, flow = select(rows, index, CONFIG, ("sex",))
        assert sorted(chosen["image_id"]) == ["i0", "i1"]
        step = flow.set_index("step").loc["picture not stored under another name"]
        assert (step["images_lost"], step["why"]) == (2, "same pixels as another image 2")
    both = CONFIG.model_copy(update={"duplicate_images": "keep"})
    chosen, flow = select(records, index, both, ("sex",))
    assert len(chosen) == 4
    assert "picture not stored under another name" not in set(flow["step"])


def test_a_picture_is_not_lost_for_a_twin_that_cannot_be_used():
    rows = [("a", "LATERAL", *GOOD[2:]), (*GOOD[:2], "unknown", *GOOD[3:]), ("b", *GOOD[1:])]
    records, index = _frames(rows)
    chosen, _ = select(records, index.assign(checksum="x"), CONFIG, ("sex",))
    assert chosen["image_id"].tolist() == ["i2"]


def test_pictures_without_a_checksum_are_not_the_same_picture():
    records, index = _frames([GOOD, ("b", *GOOD[1:])])
    assert len(select(records, index.assign(checksum=None), CONFIG, ("sex",))[0]) == 2


def test_errors_say_what_is_allowed():
    records, index = _frames([GOOD, GOOD])
    with pytest.raises(CohortError, match=r"\['gender'\]; allowed: sex, age, race, insurance"):
        select(records, index, CONFIG, ("gender",))
    with pytest.raises(CohortError, match=r"\['income'\]; .*, and of where people live none \(the"):
        select(records, index, CONFIG, ("sex", "income"))
    with pytest.raises(CohortError, match="1 of 2 records have no row; each needs one"):
        select(records, index.iloc[:1], CONFIG, ("sex",))
    with pytest.raises(CohortError, match=r"no image is left; known insurance: 2 of 2 lost"):
        select(records, index, CONFIG, ("insurance",))


@pytest.mark.parametrize("bins", ["[40, 20]", "[20, 20]", "[0, 20]", "[]"])
def test_age_bins_must_ascend(bins):
    text = (
        '{"views": ["AP"], "unknown_attributes": "drop", "race_groups": "seyyed_kalantari_2021", '
        '"duplicate_images": "drop", "age_years": {"min": 0, "max": 120}, '
        f'"age_bins_years": {bins}}}'
    )
    with pytest.raises(ConfigError, match="age_bins_years"):
        CohortConfig.parse(text, "cohort")
