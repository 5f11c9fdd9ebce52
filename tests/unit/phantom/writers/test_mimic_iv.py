import pandas as pd
import pytest

ADMISSIONS = [
    "subject_id",
    "hadm_id",
    "admittime",
    "dischtime",
    "deathtime",
    "admission_type",
    "admit_provider_id",
    "admission_location",
    "discharge_location",
    "insurance",
    "language",
    "marital_status",
    "race",
    "edregtime",
    "edouttime",
    "hospital_expire_flag",
]
PATIENTS = [
    "subject_id",
    "gender",
    "anchor_age",
    "anchor_year",
    "anchor_year_group",
    "dod",
]
EMERGENCY = [
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
NONE = {"admission": 0.0, "emergency": 0.0, "nearby": 0.0, "distant": 0.0, "none": 0.0}
TIMES = {
    "admissions": ["admittime", "dischtime", "edregtime", "edouttime"],
    "edstays": ["intime", "outtime"],
    "patients": [],
}
UNKNOWN = [
    "UNKNOWN",
    "UNABLE TO OBTAIN",
    "PATIENT DECLINED TO ANSWER",
]


def _read(root):
    folders = {"patients": "hosp", "admissions": "hosp", "edstays": "ed"}
    return {
        name: pd.read_csv(root / folder / f"{name}.csv.gz", parse_dates=TIMES[name])
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module")
def hospital(written):
    changes = {"patients": 160, "image_size": 32, "missing_share": 0.08}
    root, truth = written("mimic_iv", **changes)
    _, images = written("mimic_cxr", **changes)
    images = pd.read_parquet(images).drop_duplicates("study_id")
    return _read(root), pd.read_parquet(truth), images


def rung(tables, subject, at):
    """Link one study by the ladder's own words, the slow way."""
    stays, visits = (
        tables[name][tables[name]["subject_id"] == subject] for name in ("admissions", "edstays")
    )
    start = stays[["admittime", "edregtime"]].min(axis=1)
    if ((start <= at) & (at <= stays["dischtime"])).any():
        return "admission"
    if ((visits["intime"] <= at) & (at <= visits["outtime"])).any():
        return "emergency"
    if stays.empty:
        return "none"
    gap = pd.concat([(start - at).abs(), (stays["dischtime"] - at).abs()]).min()
    return "nearby" if gap.days <= 365 else "distant"


def test_the_columns_are_the_originals(hospital):
    tables, *_ = hospital
    assert tables["patients"].columns.tolist() == PATIENTS
    assert tables["admissions"].columns.tolist() == ADMISSIONS
    assert tables["edstays"].columns.tolist() == EMERGENCY


def test_every_rung_of_the_ladder_is_needed(hospital):
    tables, _, images = hospital
    pairs = zip(images["subject_id"], images["acquired_at"], strict=True)
    shares = pd.Series([rung(tables, *pair) for pair in pairs]).value_counts(normalize=True)
    assert set(shares.index) == {"admission", "emergency", "nearby", "distant", "none"}
    assert shares["admission"] > 0.4
    assert shares.min() > 0.01


@pytest.mark.parametrize("kind", ["admission", "emergency", "none"])
def test_visit_shares_decide_the_rung(written, kind):
    changes = {"image_size": 32, "missing_share": 0.0, "visits": {**NONE, kind: 1.0}}
    tables = _read(written("mimic_iv", **changes)[0])
    images = pd.read_parquet(written("mimic_cxr", **changes)[1])
    pairs = zip(images["subject_id"], images["acquired_at"], strict=True)
    assert {rung(tables, *pair) for pair in pairs} == {kind}


def test_some_x_rays_were_made_before_the_admission_was_decided(hospital):
    tables, _, images = hospital
    merged = images.merge(tables["admissions"], on="subject_id")
    early = merged["acquired_at"].between(merged["edregtime"], merged["admittime"])
    assert early.any()


def test_identifiers_agree_with_the_x_rays_and_some_patients_are_unknown(hospital):
    tables, truth, images = hospital
    known = set(tables["patients"]["subject_id"])
    assert set(images["subject_id"]) == set(truth["subject_id"])
    assert known < set(images["subject_id"])
    for name in ("admissions", "edstays"):
        assert set(tables[name]["subject_id"]) <= known
    assert tables["patients"]["subject_id"].is_unique
    assert tables["admissions"]["hadm_id"].is_unique
    assert tables["edstays"]["stay_id"].is_unique


def test_sex_and_age_are_the_patients(hospital):
    tables, truth, images = hospital
    merged = images.merge(tables["patients"], on="subject_id")
    assert (merged["gender"] == merged["sex"].map({"female": "F", "male": "M"})).all()
    dated = merged[merged["anchor_age"].between(19, 89)]
    age = dated["anchor_age"] + dated["acquired_at"].dt.year - dated["anchor_year"]
    assert (age - dated["age_years"]).abs().max() <= 2.5
    assert (tables["patients"]["anchor_age"] == 0).sum() > 0
    assert 91 in set(tables["patients"]["anchor_age"])
    assert not tables["patients"]["anchor_age"].isin([90, *range(92, 130)]).any()


def test_file_order_is_not_time_order(hospital):
    tables, *_ = hospital
    stays = tables["admissions"]
    assert stays["subject_id"].is_monotonic_increasing
    later = stays.groupby("subject_id")["admittime"].diff().dropna() > pd.Timedelta(0)
    assert 0.2 < later.mean() < 0.8


def test_races_conflict_and_go_missing(hospital):
    tables, *_ = hospital
    stays = tables["admissions"]
    said = stays[~stays["race"].isin(UNKNOWN)]
    group = said["race"].str.split("[ /-]").str[0]
    assert (group.groupby(said["subject_id"]).nunique() > 1).any()
    assert stays["race"].isin(UNKNOWN).mean() == pytest.approx(0.08, abs=0.04)
    assert stays["insurance"].isna().mean() == pytest.approx(0.08, abs=0.04)
    known = {"Medicare", "Private", "Medicaid", "Other"}
    assert set(stays["insurance"].dropna()) == known


def test_emergency_stays_with_and_without_an_admission(hospital):
    tables, *_ = hospital
    visits = tables["edstays"]
    assert visits["hadm_id"].isna().any()
    assert set(visits["hadm_id"].dropna().astype(int)) <= set(tables["admissions"]["hadm_id"])
    assert (visits["outtime"] > visits["intime"]).all()
    assert (tables["admissions"]["dischtime"] > tables["admissions"]["admittime"]).all()
