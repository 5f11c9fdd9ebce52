import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.datasets import SourceError, mimic_iv

PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"
ADMISSIONS = "subject_id,hadm_id,admittime,dischtime,edregtime,insurance,race"
STAYS = "subject_id,hadm_id,stay_id,intime,outtime,gender,race"


def _write(root, folder="hosp", patients=("1,F,52,2180,x,", "2,M,0,2150,x,"), admissions=None):
    (root / folder).mkdir(exist_ok=True)
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


def test_emergency_stays_know_no_insurance(tmp_path):
    _write(tmp_path)
    (tmp_path / "ed").mkdir()
    row = "1,,30,2181-01-01 00:00:00,2181-01-01 08:00:00,F,WHITE - RUSSIAN"
    (tmp_path / "ed" / "edstays.csv").write_text(f"{STAYS}\n{row}\n")
    stays = _read(tmp_path).stays.set_index("kind")
    assert stays.loc["emergency", "stay_id"] == "30"
    assert stays.loc["emergency", "race"] == "WHITE - RUSSIAN"
    assert pd.isna(stays.loc["emergency", "insurance"])


def test_version_1_has_core_and_ethnicity(tmp_path):
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
        ("2180-05-06 22:23:00", "2180-05-06", "admittime", "allowed: a time YYYY-MM-DD HH:MM:SS"),
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


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"looked for hosp/admissions\.csv, core/admissions\.csv"):
        _read(tmp_path)


def test_the_real_demo(shared_data):
    both = _read(shared_data / "mimic-iv-clinical-database-demo-2.2")
    assert len(both.patients) == 100
    assert both.patients["sex"].value_counts().to_dict() == {"male": 57, "female": 43}
    assert len(both.stays) == 275
    assert (both.stays["ends_at"] > both.stays["starts_at"]).all()
    assert both.stays["insurance"].value_counts().to_dict() == {
        "Other": 149,
        "Medicare": 104,
        "Medicaid": 22,
    }
