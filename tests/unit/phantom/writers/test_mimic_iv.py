import pandas as pd
import pytest

from cxrfair import datasets
from cxrfair.cohort.attributes import race_groups
from cxrfair.datasets import _stays, mimic_iv
from cxrfair.datasets.mimic_iv_ed import MOMENT as ED_MOMENT

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
ETHNICITIES = {
    "WHITE",
    "BLACK/AFRICAN AMERICAN",
    "HISPANIC/LATINO",
    "ASIAN",
    "AMERICAN INDIAN/ALASKA NATIVE",
    "OTHER",
    "UNKNOWN",
    "UNABLE TO OBTAIN",
}
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


def _read(written, **changes):
    hosp, ed = (written(name, **changes)[0] for name in ("mimic_iv", "mimic_iv_ed"))
    files = {
        "patients": hosp / "hosp" / "patients.csv.gz",
        "admissions": hosp / "hosp" / "admissions.csv.gz",
        "edstays": ed / "ed" / "edstays.csv.gz",
    }
    return {name: pd.read_csv(path, parse_dates=TIMES[name]) for name, path in files.items()}


@pytest.fixture(scope="module")
def hospital(written):
    changes = {"patients": 160, "image_size": 32, "missing_share": 0.08, "dirt_share": 0.0}
    _, truth = written("mimic_iv", **changes)
    _, images = written("mimic_cxr", **changes)
    images = pd.read_parquet(images).drop_duplicates("study_id")
    return _read(written, **changes), pd.read_parquet(truth), images


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


def test_every_rung_of_the_ladder_is_needed(hospital):
    tables, _, images = hospital
    pairs = zip(images["subject_id"], images["acquired_at"], strict=True)
    shares = pd.Series([rung(tables, *pair) for pair in pairs]).value_counts(normalize=True)
    assert set(shares.index) == {"admission", "emergency", "nearby", "distant", "none"}
    assert shares["admission"] > 0.4
    assert shares.min() > 0.01


@pytest.mark.parametrize("kind", ["admission", "emergency", "none"])
def test_visit_shares_decide_the_rung(written, kind):
    visits = {**NONE, kind: 1.0}
    changes = {"image_size": 32, "missing_share": 0.0, "dirt_share": 0.0, "visits": visits}
    tables = _read(written, **changes)
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
    assert known <= set(stays["insurance"].dropna()) <= {*known, "No charge"}


def test_emergency_stays_with_and_without_an_admission(hospital):
    tables, *_ = hospital
    visits = tables["edstays"]
    assert visits["hadm_id"].isna().any()
    assert set(visits["hadm_id"].dropna().astype(int)) <= set(tables["admissions"]["hadm_id"])
    assert (visits["outtime"] > visits["intime"]).all()
    assert (tables["admissions"]["dischtime"] > tables["admissions"]["admittime"]).all()


def test_some_died_and_all_after_their_last_stay(hospital):
    tables, *_ = hospital
    people = tables["patients"].set_index("subject_id")
    died = pd.to_datetime(people["dod"]).dropna()
    assert 0.02 < len(died) / len(people) < 0.15
    last = tables["admissions"].groupby("subject_id")["dischtime"].max()
    assert (died > last.reindex(died.index).fillna(pd.Timestamp("2100-01-01"))).all()


def _forms(written, **changes):
    """What the adapter reads from each version's form of the same hospital."""
    found = {}
    for version in (1, 2, 3):
        root, _ = written("mimic_iv", mimic_iv_version=version, **changes)
        found[version] = root, datasets.read("mimic_iv", root, "{}")
    return found


@pytest.fixture(scope="module")
def forms(written):
    return _forms(written, patients=160, image_size=32, missing_share=0.08)


def test_each_version_has_its_own_folder_columns_and_words(forms):
    columns = {
        version: pd.read_csv(next(root.rglob("admissions.csv.gz")))
        for version, (root, _) in forms.items()
    }
    assert [p.name for p in forms[1][0].iterdir() if p.is_dir()] == ["core"]
    assert [p.name for p in forms[2][0].iterdir() if p.is_dir()] == ["hosp"]
    old = [{"race": "ethnicity"}.get(name, name) for name in ADMISSIONS]
    assert columns[1].columns.tolist() == [name for name in old if name != "admit_provider_id"]
    assert columns[2].columns.tolist() == ADMISSIONS
    assert columns[3].columns.tolist() == ADMISSIONS
    assert set(columns[1]["ethnicity"]) <= ETHNICITIES
    assert len(set(columns[3]["race"])) > len(ETHNICITIES)
    for version in (1, 2):
        assert set(columns[version]["insurance"]) == {"Medicare", "Medicaid", "Other"}


def test_the_same_truth_comes_back_from_each_version(forms):
    first, second, third = (forms[version][1] for version in (1, 2, 3))
    same = ["kind", "stay_id", "patient_id", "starts_at", "ends_at"]
    for other in (first, second):
        pd.testing.assert_frame_equal(other.patients, third.patients)
        pd.testing.assert_frame_equal(other.stays[same], third.stays[same])
        assert other.notes == third.notes
    assert second.stays["race"].tolist() == third.stays["race"].tolist()
    groups = [race_groups(form.stays["race"], "seyyed_kalantari_2021") for form in (first, third)]
    assert groups[0].tolist() == groups[1].tolist()
    named = third.stays["insurance"].isin(["Medicare", "Medicaid"])
    for other in (first, second):
        assert (other.stays["insurance"] == third.stays["insurance"].where(named, "Other")).all()


def test_what_the_adapter_reads_is_the_truth(written):
    changes = {"missing_share": 0.0, "race_conflict_share": 0.0, "image_size": 32}
    root, truth = written("mimic_iv", patients=120, **changes)
    found = datasets.read("mimic_iv", root, "{}")
    truth = pd.read_parquet(truth).astype({"subject_id": str}).set_index("subject_id")
    people = found.patients.set_index("patient_id")
    assert set(people.index) == set(truth.index)
    assert (people["sex"] == truth["sex"].reindex(people.index)).all()
    stays = found.stays.join(truth.add_suffix("_true"), on="patient_id")
    groups = race_groups(stays["race"], "seyyed_kalantari_2021")
    spelt = {"hispanic or latino": "hispanic", "american indian or alaska native": "other"}
    assert (groups.replace(spelt) == stays["race_true"]).all()
    insurance = stays["insurance"].str.lower().replace("no charge", "other")
    assert (insurance == stays["insurance_true"]).all()


def test_dirt_is_what_the_adapters_count(written):
    changes = {"patients": 160, "image_size": 32, "dirt_share": 0.4}
    hosp, ed = (
        datasets.read(name, written(name, **changes)[0], "{}")
        for name in ("mimic_iv", "mimic_iv_ed")
    )
    clean, clean_ed = (
        datasets.read(name, written(name, **{**changes, "dirt_share": 0.0})[0], "{}")
        for name in ("mimic_iv", "mimic_iv_ed")
    )
    for found, moments, n in (
        (hosp, mimic_iv.MOMENT, len(hosp.stays)),
        (ed, ED_MOMENT, len(ed.stays)),
    ):
        assert 0.05 * n < found.notes[moments] < 0.15 * n
        assert 0.1 * n < found.notes[_stays.BY_DAY] < 0.3 * n
        assert 0.1 * n < found.notes[_stays.FRACTION] < 0.3 * n
    assert clean_ed.notes == {}
    assert set(clean.notes) == {mimic_iv.OLD, mimic_iv.AGELESS}
    assert hosp.stays["stay_id"].tolist() == clean.stays["stay_id"].tolist()
    assert _overlaps(hosp.stays) > _overlaps(clean.stays) + 5


def _overlaps(stays):
    rows = stays.sort_values(["patient_id", "starts_at"])
    following = rows.groupby("patient_id")["starts_at"].shift(-1)
    return int((rows["ends_at"] > following).sum())
