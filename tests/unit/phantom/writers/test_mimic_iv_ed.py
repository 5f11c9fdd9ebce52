import pandas as pd

from cxrfair import datasets

COLUMNS = [
    "subject_id",
    "hadm_id",
    "stay_id",
    "intime",
    "outtime",
    "gender",
    "race",
    "arrival_transport",
    "disposition",
]
CHANGES = {"patients": 80, "image_size": 32, "dirt_share": 0.0}


def _stays(written, **changes):
    root, _ = written("mimic_iv_ed", **{**CHANGES, **changes})
    return pd.read_csv(root / "ed" / "edstays.csv.gz", parse_dates=["intime", "outtime"])


def test_the_columns_are_the_originals(written):
    assert _stays(written).columns.tolist() == COLUMNS
    assert _stays(written, mimic_iv_version=2).columns.tolist() == COLUMNS
    assert _stays(written, mimic_iv_version=1).columns.tolist() == COLUMNS[:5]


def test_stays_are_those_of_the_admissions(written):
    stays = _stays(written)
    root, _ = written("mimic_iv", **CHANGES)
    admissions = pd.read_csv(
        root / "hosp" / "admissions.csv.gz", parse_dates=["edregtime", "edouttime", "admittime"]
    )
    both = stays.merge(admissions, on="hadm_id", suffixes=("", "_admission"))
    assert len(both) == stays["hadm_id"].notna().sum() > 20
    assert (both["subject_id"] == both["subject_id_admission"]).all()
    assert (both["intime"] == both["edregtime"]).all()
    assert ((both["outtime"] - both["edouttime"]).abs() <= pd.Timedelta(seconds=1)).all()
    assert (both["race"] == both["race_admission"]).all()
    assert len(both) == admissions["edregtime"].notna().sum()


def test_the_adapter_reads_it(written):
    root, truth = written("mimic_iv_ed", **CHANGES)
    found = datasets.read("mimic_iv_ed", root, "{}")
    stays = _stays(written)
    assert found.stays["stay_id"].tolist() == stays["stay_id"].astype(str).tolist()
    assert found.stays["starts_at"].tolist() == stays["intime"].tolist()
    people = set(pd.read_parquet(truth)["subject_id"].astype(str))
    assert set(found.stays["patient_id"]) < people
