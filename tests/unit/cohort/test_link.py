import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import datasets, tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.link import RUNGS, LinkConfig, annotate, combine, link
from cxrfair.config import ConfigError

LATEST = LinkConfig(nearest_max_days=30, race_conflict="latest")
DAYS = st.integers(0, 300)
WORDS = st.sampled_from(["WHITE", "WHITE - RUSSIAN", "ASIAN", "UNKNOWN", "UNABLE TO OBTAIN", None])
STAYS = st.lists(
    st.tuples(st.sampled_from("ab"), DAYS, st.integers(0, 20), WORDS, st.booleans()), max_size=8
)
IMAGES = st.lists(st.tuples(st.sampled_from("abc"), DAYS), min_size=1, max_size=6)


def _day(day):
    return pd.Timestamp("2150-01-01") + pd.Timedelta(days=day)


def _records(images):
    known = pd.DataFrame(images, columns=["patient_id", "day"])
    frame = tables.RECORDS.empty().reindex(known.index)
    return frame.assign(
        image_id=[f"i{i}" for i in known.index],
        dataset="mimic_cxr",
        patient_id=known["patient_id"].astype("str"),
        study_id="1",
        path="x.jpg",
        sex="unknown",
        acquired_at=pd.Series([_day(day) for day in known["day"]], dtype="datetime64[s]"),
    )


def _stays(stays):
    """Rows of (patient, day, length in days, race, is an admission)."""
    frame = tables.STAYS.empty().reindex(range(len(stays)))
    return frame.assign(
        kind=pd.Series(["admission" if s[4] else "emergency" for s in stays], dtype="str"),
        stay_id=pd.Series([str(i) for i in range(len(stays))], dtype="str"),
        patient_id=pd.Series([s[0] for s in stays], dtype="str"),
        starts_at=pd.Series([_day(s[1]) for s in stays], dtype="datetime64[s]"),
        ends_at=pd.Series([_day(s[1] + s[2]) for s in stays], dtype="datetime64[s]"),
        race=pd.Series([s[3] for s in stays], dtype="str"),
        insurance=pd.Series([f"p{i}" if s[4] else None for i, s in enumerate(stays)], dtype="str"),
    )


def _patients(ids="ab"):
    return pd.DataFrame(
        {
            "patient_id": pd.Series(list(ids), dtype="str"),
            "sex": "female",
            "anchor_age_years": pd.Series(60, index=range(len(ids)), dtype="float32"),
            "anchor_year": pd.Series(2148, index=range(len(ids)), dtype="int32"),
        }
    )


def _link(images, stays, config=LATEST, patients="ab"):
    linked, flow = link(_records(images), _patients(patients), _stays(stays), config)
    tables.RECORDS.check(linked)
    tables.FLOW.check(flow)
    return linked, flow


@pytest.mark.parametrize(
    ("day", "rung", "days", "insurance"),
    [
        (10, "admission", 0, "p0"),  # the first moment of the admission
        (15, "admission", 0, "p0"),  # its last; the emergency stay contains it too
        (16, "emergency", 0, None),
        (5, "nearest", 5, "p0"),
        (85, "nearest", 15, "p2"),
        (69, "patient", None, None),  # 31 days before, 54 days after
        (131, "patient", None, None),
    ],
)
def test_the_ladder(day, rung, days, insurance):
    stays = [("a", 10, 5, "ASIAN", True), ("a", 14, 3, "WHITE", False), ("a", 100, 0, None, True)]
    row = _link([("a", day)], stays)[0].iloc[0]
    assert row["link_rung"] == rung
    assert row["race"] == "ASIAN"
    assert row["sex"] == "female"
    for value, expected in ((row["link_distance_days"], days), (row["insurance"], insurance)):
        assert pd.isna(value) if expected is None else value == expected


def test_someone_the_hospital_does_not_know():
    row = _link([("c", 10)], [("a", 10, 5, "ASIAN", True)])[0].iloc[0]
    assert (row["link_rung"], row["sex"]) == ("none", "unknown")
    assert row[["race", "insurance", "age_years", "link_distance_days"]].isna().all()


def test_a_patient_without_stays_is_linked_by_himself():
    row = _link([("b", 10)], [])[0].iloc[0]
    assert (row["link_rung"], row["sex"], row["age_years"]) == ("patient", "female", 62)
    assert row[["race", "insurance"]].isna().all()


def test_age_counts_calendar_years_from_the_anchor():
    ages = _link([("a", 0), ("a", 364), ("a", 365)], [])[0]["age_years"]
    assert ages.tolist() == [62, 62, 63]


def test_an_age_before_birth_or_without_an_anchor_is_empty():
    people = _patients("ab").assign(anchor_age_years=pd.Series([1, None], dtype="float32"))
    people["anchor_year"] = 2152
    linked, _ = link(_records([("a", 0), ("b", 0)]), people, _stays([]), LATEST)
    assert linked["age_years"].isna().all()


def test_an_image_without_a_time_is_linked_by_its_patient():
    records = _records([("a", 10)]).assign(acquired_at=pd.Series([pd.NaT], dtype="datetime64[s]"))
    linked, _ = link(records, _patients(), _stays([("a", 0, 50, "ASIAN", True)]), LATEST)
    assert linked["link_rung"].tolist() == ["patient"]
    assert linked["race"].tolist() == ["ASIAN"]
    assert linked["age_years"].isna().all()


@pytest.mark.parametrize(
    ("rule", "race"), [("latest", "WHITE"), ("mode", "ASIAN - KOREAN"), ("drop", None)]
)
def test_conflicting_races(rule, race):
    stays = [
        ("a", 1, 1, "ASIAN", True),
        ("a", 50, 1, "ASIAN - KOREAN", True),
        ("a", 90, 1, "WHITE", True),
        ("a", 95, 1, "UNKNOWN", True),
        ("a", 99, 1, "OTHER", False),  # admissions speak first
        ("b", 1, 1, "WHITE", True),
        ("b", 9, 1, "WHITE - RUSSIAN", True),  # the same group: no conflict
    ]
    config = LinkConfig(nearest_max_days=30, race_conflict=rule)
    linked, flow = _link([("a", 1), ("a", 50), ("b", 1)], stays, config)
    expected = ["WHITE - RUSSIAN"] if race is None else [race, race, "WHITE - RUSSIAN"]
    assert linked["race"].tolist() == expected
    assert flow["images_lost"].tolist() == [0, 0, 0, 2 if rule == "drop" else 0]
    assert flow["why"].iloc[3] == f"conflicting races ({rule}): patients 1"


def test_refusals_are_no_race_while_another_is_known():
    stays = [("a", 1, 1, "WHITE", True), ("a", 9, 1, "UNABLE TO OBTAIN", True)]
    assert _link([("a", 9)], stays)[0]["race"].tolist() == ["WHITE"]
    only = [("a", 1, 1, "PATIENT DECLINED TO ANSWER", True), ("a", 5, 1, "ASIAN", False)]
    assert _link([("a", 9)], only)[0]["race"].tolist() == ["ASIAN"]
    assert _link([("a", 9)], only[:1])[0]["race"].isna().all()


def test_the_flow_counts_the_rungs():
    _, flow = _link([("a", 10), ("a", 11), ("c", 1)], [("a", 10, 5, "ASIAN", True)])
    assert flow["why"].iloc[0] == "admission 2, none 1"
    assert flow["images_out"].tolist() == [3] * 4
    assert flow["patients_out"].tolist() == [2] * 4


def test_the_flow_counts_images_in_overlapping_admissions():
    stays = [("a", 10, 5, "ASIAN", True), ("a", 12, 9, "ASIAN", True), ("a", 9, 9, "ASIAN", False)]
    linked, flow = _link([("a", 10), ("a", 13), ("a", 15)], stays)
    assert linked["insurance"].tolist() == ["p0", "p1", "p1"]
    assert flow["why"].iloc[0] == "admission 3; in overlapping admissions 2"


def test_the_flow_says_why_ages_are_unknown():
    people = _patients("abcdef").assign(
        anchor_age_years=pd.Series([60, 91, None, 0, 1, 50], dtype="float32"),
        anchor_year=pd.Series([2148, 2148, 2148, 2148, 2152, None], dtype="Int32"),
    )
    records = _records([(patient, 0) for patient in "aabcdefg"])
    records.loc[1, "acquired_at"] = pd.NaT
    linked, flow = link(records, people, _stays([]), LATEST)
    assert linked["age_years"].isna().sum() == 6
    assert linked["age_years"].dropna().tolist() == [62, 93]  # 91 and the years since
    assert flow["step"].iloc[1] == "age when the image was taken"
    assert flow["why"].iloc[1] == (
        "no anchor age 3, anchor above 89 years 1, before birth 1, known 1, no such patient 1, "
        "no time of the image 1"
    )


def test_the_flow_says_why_insurance_and_race_are_unknown():
    stays = [("a", 10, 5, None, True), ("a", 100, 5, "UNKNOWN", True)]
    frame = _stays(stays).assign(insurance=pd.Series(["Medicare", None], dtype="str"))
    records = _records([("a", 10), ("a", 100), ("a", 200), ("c", 1)])
    flow = link(records, _patients(), frame, LATEST)[1]
    assert flow["why"].iloc[2] == "no admission 2, known 1, not said 1"
    assert flow["why"].iloc[3] == "images without a race 4"


def test_sources_are_combined_and_equal_rows_count_once():
    stays = [("a", 10, 5, "ASIAN", True), ("b", 10, 5, None, False)]
    first, second = _stays(stays), _stays([*stays, ("c", 1, 1, "WHITE", False)])
    both = combine(tables.STAYS, [first, second, _stays([])])
    pd.testing.assert_frame_equal(both, second)
    tables.PATIENTS.check(combine(tables.PATIENTS, [_patients("ab"), _patients("")]))
    assert len(combine(tables.PATIENTS, [])) == 0
    other = _patients("ab").assign(sex="male")
    with pytest.raises(CohortError, match="two linked sources describe 2 rows differently; allow"):
        combine(tables.PATIENTS, [_patients("ab"), other])


def _annotations(rows, source):
    known = pd.DataFrame(rows, columns=["image_id", "label", "i"])
    return known.astype({"i": "int32"}).assign(kind="box", geometry="[0, 0, 1, 1]", source=source)


def test_annotations_of_linked_sources_follow_the_data_sets_own():
    records = _records([("a", 1), ("b", 1)])
    own = _annotations([("i0", "mass", 0), ("gone", "mass", 0)], "own")
    first = _annotations([("i0", "mass", 1), ("i0", "mass", 0), ("i1", "mass", 5)], "first")
    second = _annotations([("i0", "mass", 0), ("elsewhere", "edema", 0)], "second")
    rows, flow = annotate(records, own, [first, second])
    tables.ANNOTATIONS.check(rows)
    tables.FLOW.check(flow)
    of_mass = rows[rows["image_id"] == "i0"].sort_values("i")
    assert of_mass["i"].tolist() == [0, 1, 2, 3]
    assert of_mass["source"].tolist() == ["own", "first", "first", "second"]
    assert set(rows["image_id"]) == {"i0", "i1"}
    assert flow["why"].tolist() == ["on these images 4, on images that are not here 1"]
    alone, nothing = annotate(records, own, [])
    assert alone["image_id"].tolist() == ["i0"]
    assert len(nothing) == 0


@settings(max_examples=40, deadline=None)
@given(IMAGES, STAYS, st.sampled_from(["latest", "mode", "drop"]))
def test_laws(images, stays, rule):
    linked, flow = _link(images, stays, LinkConfig(nearest_max_days=30, race_conflict=rule))
    assert set(linked["link_rung"]) <= set(RUNGS)
    assert (flow["images_in"] - flow["images_lost"] == flow["images_out"]).all()
    if rule != "drop":
        assert linked["image_id"].tolist() == [f"i{i}" for i in range(len(images))]
    insured = linked["insurance"].notna()
    assert set(linked.loc[insured, "link_rung"]) <= {"admission", "nearest"}
    for row in linked[insured].itertuples():  # insurance is that of an admission of the patient's
        stay = stays[int(row.insurance[1:])]
        assert stay[0] == row.patient_id
        assert stay[4]
    said = {(stay[0], stay[3]) for stay in stays}
    for row in linked[linked["race"].notna()].itertuples():
        assert (row.patient_id, row.race) in said
    assert (linked["race"].dropna() != "UNKNOWN").all()
    near = linked.loc[linked["link_rung"] == "nearest", "link_distance_days"]
    assert near.between(0, 30, inclusive="right").all()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"params\.yaml link\.race_conflict: .*'first'"):
        LinkConfig.parse('{"nearest_max_days": 30, "race_conflict": "first"}', "link")
    with pytest.raises(ConfigError, match=r"link\.nearest_max_days"):
        LinkConfig.parse('{"nearest_max_days": -1, "race_conflict": "mode"}', "link")


def test_the_real_demo_links_its_own_admissions(shared_data):
    real = datasets.read("mimic_iv", shared_data / "mimic-iv-clinical-database-demo-2.2", "{}")
    stays = real.stays
    records = tables.RECORDS.empty().reindex(stays.index)
    records = records.assign(
        image_id=stays["stay_id"],
        dataset="mimic_cxr",
        patient_id=stays["patient_id"],
        study_id=stays["stay_id"],
        path="x.jpg",
        sex="unknown",
        acquired_at=(stays["starts_at"] + (stays["ends_at"] - stays["starts_at"]) / 2).dt.as_unit(
            "s"
        ),
    )
    linked, flow = link(records, real.patients, stays, LATEST)
    tables.RECORDS.check(linked)
    assert set(linked["link_rung"]) == {"admission"}
    assert (linked["insurance"] == stays["insurance"]).all()
    assert linked["age_years"].between(21, 105).all()
    assert flow["why"].tolist() == [
        "admission 275; in overlapping admissions 1",
        "known 267, anchor above 89 years 8",
        "known 275",
        "conflicting races (latest): patients 1; images without a race 19",
    ]
