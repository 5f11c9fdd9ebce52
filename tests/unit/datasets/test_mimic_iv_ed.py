import gzip

import pandas as pd
import pytest

from cxrfair import datasets, tables
from cxrfair.datasets import SourceError, _stays, mimic_iv_ed

HEADER = "subject_id,hadm_id,stay_id,intime,outtime,gender,race,arrival_transport,disposition"
FIRST = "1,,30,2181-01-01 00:00:00,2181-01-01 08:00:00,F,WHITE - RUSSIAN,WALK IN,HOME"
SECOND = "2,20,31,2181-01-02 00:00:00,,M,,AMBULANCE,ADMITTED"


def _write(root, *rows, name="ed/edstays.csv", header=HEADER):
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([header, *rows, ""]))
    return path


def _read(root):
    encounters = datasets.read("mimic_iv_ed", root, "{}")
    tables.PATIENTS.check(encounters.patients)
    tables.STAYS.check(encounters.stays)
    return encounters


def test_stays_without_patients_or_insurance(tmp_path):
    _write(tmp_path, FIRST, SECOND)
    both = _read(tmp_path)
    assert both.patients.empty
    assert both.stays["kind"].tolist() == ["emergency"] * 2
    assert both.stays["stay_id"].tolist() == ["30", "31"]
    assert both.stays["patient_id"].tolist() == ["1", "2"]
    assert both.stays["starts_at"].iloc[0] == pd.Timestamp("2181-01-01 00:00:00")
    assert both.stays["ends_at"].iloc[0] == pd.Timestamp("2181-01-01 08:00:00")
    assert both.stays["ends_at"].isna().tolist() == [False, True]
    assert both.stays["race"].fillna("-").tolist() == ["WHITE - RUSSIAN", "-"]
    assert both.stays["insurance"].isna().all()
    assert both.notes == {}


def test_the_table_may_lie_right_below_the_root_and_be_compressed(tmp_path):
    path = _write(tmp_path, FIRST, name="edstays.csv")
    assert len(_read(tmp_path).stays) == 1
    (tmp_path / "edstays.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert len(_read(tmp_path).stays) == 1


def test_version_1_knows_no_race(tmp_path):
    header = ",".join(HEADER.split(",")[:5])
    _write(tmp_path, ",".join(FIRST.split(",")[:5]), header=header)
    assert _read(tmp_path).stays["race"].isna().all()


def test_odd_times_are_handled_and_counted(tmp_path):
    _write(
        tmp_path,
        "1,,30,2181-01-01 10:00:00,2181-01-01 08:00:00,F,,,",
        "1,,31,2181-01-02,2181-01-02,F,,,",
        "1,,32,2181-01-03 10:00:00.5,2181-01-03 12:00:00,F,,,",
    )
    both = _read(tmp_path)
    starts, ends = both.stays["starts_at"], both.stays["ends_at"]
    assert starts.iloc[0] == ends.iloc[0] == pd.Timestamp("2181-01-01 10:00:00")
    assert (ends - starts).iloc[1] == pd.Timedelta("23:59:59")
    assert starts.iloc[2] == pd.Timestamp("2181-01-03 10:00:00")
    assert both.notes == {mimic_iv_ed.MOMENT: 1, _stays.BY_DAY: 2, _stays.FRACTION: 1}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("WHITE - RUSSIAN", "Russian", "column 'race': 'Russian'; allowed: WHITE, WHITE - OTHER"),
        ("08:00:00", "08:00:00Z", "column 'outtime': '2181-01-01 08:00:00Z'; allowed: a time"),
        ("2181-01-01 00:00:00", "", "column 'intime': blank; allowed: a time"),
        ("1,,30", ",,30", "column 'subject_id': blank; allowed: digits, not blank"),
        ("1,,30", "1,,x", "column 'stay_id': 'x'; allowed: digits"),
    ],
)
def test_a_bad_stay_is_named(tmp_path, old, new, says):
    _write(tmp_path, FIRST.replace(old, new))
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert f"edstays.csv row 2, {says}" in str(caught.value)


def test_a_stay_may_be_there_once(tmp_path):
    _write(tmp_path, FIRST, FIRST)
    with pytest.raises(SourceError, match="row 3, column 'stay_id': '30'; allowed: each value"):
        _read(tmp_path)
