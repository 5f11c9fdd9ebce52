from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.datasets import SourceError, _stays, mimic_iv

PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"
ADMISSIONS = "subject_id,hadm_id,admittime,dischtime,edregtime,insurance,race"
TIME = "allowed: a time YYYY-MM-DD HH:MM:SS or a date, without a time zone (1 rows)"


def _write(root, folder="hosp", patients=("1,F,52,2180,x,", "2,M,0,2150,x,"), admissions=None):
    (root / folder).mkdir(exist_ok=True, parents=True)
    rows = admissions or (
        "1,20,2180-05-06 22:23:00,2180-05-07 17:15:00,2180-05-06 19:17:00,Other,WHITE",
        "2,21,2150-05-06 22:23:00,,,,UNKNOWN",
    )
    (root / folder / "patients.csv").write_text("\n".join([PATIENTS, *patients, ""]))
    (root / folder / "admissions.csv").write_text("\n".join([ADMISSIONS, *rows, ""]))


def _read(root):
    encounters = mimic_iv.read(root)
    tables.PATIENTS.check(encounters.patients)
    tables.STAYS.check(encounters.stays)
    return encounters


def test_patients_and_admissions(tmp_path):
    _write(tmp_path)
    both = _read(tmp_path)
    assert both.patients["sex"].tolist() == ["female", "male"]
    assert both.patients["anchor_age_years"].iloc[0] == 52
    assert pd.isna(both.patients["anchor_age_years"].iloc[1])  # 0 stands for unknown
    assert both.stays["starts_at"].iloc[0] == pd.Timestamp("2180-05-06 19:17:00")
    assert both.stays["starts_at"].iloc[1] == pd.Timestamp("2150-05-06 22:23:00")
    assert both.stays["insurance"].isna().tolist() == [False, True]


def test_columns_that_are_blank_everywhere(tmp_path):
    rows = ("1,20,2180-05-06 22:23:00,,,,",)
    _write(tmp_path, patients=("1,,,,x,",), admissions=rows)
    both = _read(tmp_path)
    assert both.stays["starts_at"].tolist() == [pd.Timestamp("2180-05-06 22:23:00")]
    assert both.stays[["ends_at", "race", "insurance"]].isna().all(axis=None)
    assert both.patients["sex"].tolist() == ["unknown"]
    tables.STAYS.write(both.stays, tmp_path / "stays.parquet")
    tables.PATIENTS.write(both.patients, tmp_path / "patients.parquet")


def test_a_table_without_rows(tmp_path):
    _write(tmp_path, patients=())
    (tmp_path / "hosp" / "admissions.csv").write_text(f"{ADMISSIONS}\n")
    both = _read(tmp_path)
    assert (len(both.patients), len(both.stays)) == (0, 0)


def test_the_emergency_stays_beside_them_are_another_data_set(tmp_path):
    _write(tmp_path)
    (tmp_path / "ed").mkdir()
    (tmp_path / "ed" / "edstays.csv").write_text("not,a,table\n")
    assert set(_read(tmp_path).stays["kind"]) == {"admission"}


def test_versions_up_to_1_have_core_and_ethnicity(tmp_path):
    _write(tmp_path, "core")
    path = tmp_path / "core" / "admissions.csv"
    path.write_text(
        path.read_text().replace(",race", ",ethnicity").replace("WHITE", "HISPANIC/LATINO")
    )
    assert _read(tmp_path).stays["race"].tolist() == ["HISPANIC/LATINO", "UNKNOWN"]


@pytest.mark.parametrize(
    ("old", "new", "column", "says"),
    [
        ("WHITE", "White", "race", "allowed: WHITE, WHITE - OTHER EUROPEAN"),
        (
            "Other",
            "Aetna",
            "insurance",
            "allowed: Medicare, Medicaid, Private, Other, No charge or",
        ),
        ("2180-05-07 17:15:00", "2180-05-32 17:15:00", "dischtime", "allowed: a time YYYY-MM-DD"),
        ("2180-05-06 22:23:00", "2180-05-06T22:23:00", "admittime", TIME),
        ("2180-05-06 22:23:00", "2180-05-06 22:23:00Z", "admittime", TIME),
        ("2180-05-06 22:23:00", "2180-05-06 22:23:00.5Z", "admittime", TIME),
        ("2180-05-06 22:23:00", "2180-05-06 22:23:00+00:00", "admittime", TIME),
        ("2180-05-06 22:23:00", "2180-05-06 25:23:00", "admittime", TIME),
        ("2180-05-06 22:23:00", "2180-02-30", "admittime", TIME),
        ("2180-05-06 22:23:00", "6 May 2180", "admittime", TIME),
    ],
)
def test_a_bad_admission_is_named(tmp_path, old, new, column, says):
    _write(tmp_path)
    path = tmp_path / "hosp" / "admissions.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert f"admissions.csv row 2, column '{column}': '{new}'; {says}" in str(caught.value)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("3,X,52,2180,x,", "row 2, column 'gender': 'X'; allowed: F, M or blank"),
        ("3,F,old,2180,x,", "row 2, column 'anchor_age': 'old'; allowed: whole years or blank"),
        ("3,F,52,80,x,", "row 2, column 'anchor_year': '80'; allowed: a year or blank"),
        (",F,52,2180,x,", "row 2, column 'subject_id': blank; allowed: digits, not blank"),
    ],
)
def test_a_bad_patient_is_named(tmp_path, row, says):
    _write(tmp_path, patients=(row,))
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert says in str(caught.value)


def test_a_duplicated_admission_is_named(tmp_path):
    row = "1,20,2180-05-06 22:23:00,2180-05-07 17:15:00,,Other,WHITE"
    _write(tmp_path, admissions=(row, row))
    with pytest.raises(
        SourceError, match="row 3, column 'hadm_id': '20'; allowed: each value once"
    ):
        _read(tmp_path)


def _admission(starts, ends, registered=""):
    return f"1,20,{starts},{ends},{registered},Other,WHITE"


@pytest.mark.parametrize(
    ("registered", "n"), [("", 1), ("2180-05-06 22:00:00", 0), ("2180-05-06 22:10:00", 1)]
)
def test_an_admission_that_ends_before_it_begins_is_a_moment(tmp_path, registered, n):
    row = _admission("2180-05-06 22:23:00", "2180-05-06 22:05:00", registered)
    _write(tmp_path, admissions=(row,))
    both = _read(tmp_path)
    assert both.notes.get(mimic_iv.MOMENT, 0) == n
    stay = both.stays.iloc[0]
    assert (stay["starts_at"] == stay["ends_at"]) == bool(n)
    begins = pd.Timestamp(registered or "2180-05-06 22:23:00")
    assert stay["starts_at"] == begins


def test_dates_without_a_clock_are_whole_days(tmp_path):
    _write(tmp_path, admissions=(_admission("2180-05-06", "2180-05-06"),))
    both = _read(tmp_path)
    assert both.stays["starts_at"].tolist() == [pd.Timestamp("2180-05-06 00:00:00")]
    assert both.stays["ends_at"].tolist() == [pd.Timestamp("2180-05-06 23:59:59")]
    assert both.notes == {_stays.BY_DAY: 2, mimic_iv.AGELESS: 1}


def test_fractions_of_a_second_are_cut_off(tmp_path):
    row = _admission("2180-05-06 22:23:00.999", "2180-05-07 00:00:00.0", "2180-05-06 23:00:00")
    _write(tmp_path, admissions=(row,))
    both = _read(tmp_path)
    assert both.stays["starts_at"].tolist() == [pd.Timestamp("2180-05-06 22:23:00")]
    assert both.stays["ends_at"].tolist() == [pd.Timestamp("2180-05-07 00:00:00")]
    assert both.notes[_stays.FRACTION] == 2


def test_ages_that_are_not_an_age_are_counted(tmp_path):
    people = ("1,F,91,2180,x,", "2,M,0,2150,x,", "3,M,89,2150,x,", "4,M,,2150,x,2151-01-01")
    _write(tmp_path, patients=people)
    both = _read(tmp_path)
    assert both.patients["anchor_age_years"].fillna(-1).tolist() == [91, -1, 89, -1]
    assert both.notes == {mimic_iv.AGELESS: 1, mimic_iv.OLD: 1}


@given(
    st.lists(
        st.tuples(
            st.datetimes(pd.Timestamp("2110-01-01"), pd.Timestamp("2200-12-31")),
            st.datetimes(pd.Timestamp("2110-01-01"), pd.Timestamp("2200-12-31")),
            st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f"]),
        ),
        max_size=6,
    )
)
def test_whatever_the_order_and_form_of_times_no_stay_is_lost_or_ends_early(stays):
    with TemporaryDirectory() as folder:
        rows = [
            f"1,{i},{start.strftime(form)},{end.strftime(form)},,Other,WHITE"
            for i, (start, end, form) in enumerate(stays)
        ]
        _write(Path(folder), admissions=rows or ("1,0,2180-05-06,,,,",))
        both = _read(Path(folder))
    assert len(both.stays) == max(len(stays), 1)
    known = both.stays.dropna(subset="ends_at")
    assert (known["ends_at"] >= known["starts_at"]).all()
    early = sum(
        pd.Timestamp(end.strftime(form)).floor("s") < pd.Timestamp(start.strftime(form)).floor("s")
        for start, end, form in stays
        if form != "%Y-%m-%d"
    ) + sum(end.date() < start.date() for start, end, form in stays if form == "%Y-%m-%d")
    assert both.notes.get(mimic_iv.MOMENT, 0) == early


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"looked for hosp/patients\.csv, core/patients\.csv"):
        _read(tmp_path)
