"""The real MIMIC-IV demo: its tables as they are, and X-rays made up around its real stays."""

import pandas as pd
import pytest

from cxrfair import datasets, tables
from cxrfair.cohort.link import LinkConfig, link
from cxrfair.datasets import mimic_iv

LATEST = LinkConfig(nearest_max_days=365, race_conflict="latest")
MINUTE = pd.Timedelta(minutes=1)
HEADER = "dicom_id,subject_id,study_id,ViewPosition,StudyDate,StudyTime"


@pytest.fixture(scope="module")
def demo(shared_data):
    root = shared_data / "mimic-iv-clinical-database-demo-2.2"
    return datasets.read("mimic_iv", root, "{}")


def test_its_counts_are_the_published_ones(demo):
    assert len(demo.patients) == 100
    assert demo.patients["sex"].value_counts().to_dict() == {"male": 57, "female": 43}
    assert len(demo.stays) == 275
    assert (demo.stays["ends_at"] > demo.stays["starts_at"]).all()
    assert demo.stays["insurance"].value_counts().to_dict() == {
        "Other": 149,
        "Medicare": 104,
        "Medicaid": 22,
    }
    assert demo.notes == {mimic_iv.OLD: 3}


def _outside(demo, gap):
    """One moment a patient, `gap` after his last stay ended."""
    last = demo.stays.groupby("patient_id")["ends_at"].max()
    return pd.DataFrame({"patient": last.index, "at": last.to_numpy() + gap, "rung": "nearest"})


def _moments(demo):
    """Moments around real stays, and the rung each must be found on."""
    stays = demo.stays.rename(columns={"patient_id": "patient"})
    inside = [
        stays.assign(at=stays["starts_at"]),
        stays.assign(at=stays["ends_at"]),
        stays.assign(at=stays["starts_at"] + (stays["ends_at"] - stays["starts_at"]) / 2),
    ]
    rows = [frame[["patient", "at"]].assign(rung="admission") for frame in inside]
    rows += [_outside(demo, MINUTE), _outside(demo, pd.Timedelta(days=364))]
    rows += [_outside(demo, pd.Timedelta(days=366)).assign(rung="patient")]
    first = demo.stays["starts_at"].min()
    rows += [pd.DataFrame({"patient": ["99999999"], "at": [first], "rung": ["none"]})]
    moments = pd.concat(rows, ignore_index=True)
    return moments.assign(at=moments["at"].dt.floor("s"))


def _x_rays(root, moments):
    """Write MIMIC-CXR with one study a moment, and read it."""
    rows, labels = [HEADER], [f"subject_id,study_id,{','.join(datasets.get('mimic_cxr').LABELS)}"]
    for i, (patient, at) in enumerate(zip(moments["patient"], moments["at"], strict=True)):
        dicom, study = f"{i:08x}-00000000-00000000-00000000-00000000", 50_000_000 + i
        clock = at.hour * 10_000 + at.minute * 100 + at.second
        rows.append(f"{dicom},{patient},{study},AP,{at:%Y%m%d},{clock}.5")
        labels.append(f"{patient},{study}{',' * 14}")
        path = root / f"files/p{patient[:2]}/p{patient}/s{study}/{dicom}.jpg"
        path.parent.mkdir(parents=True)
        path.touch()
    (root / "mimic-cxr-2.0.0-metadata.csv").write_text("\n".join([*rows, ""]))
    (root / "mimic-cxr-2.0.0-chexpert.csv").write_text("\n".join([*labels, ""]))
    return datasets.read("mimic_cxr", root, "{}").records


@pytest.fixture(scope="module")
def linked(demo, tmp_path_factory):
    moments = _moments(demo)
    records = _x_rays(tmp_path_factory.mktemp("cxr"), moments)
    found, flow = link(records, demo.patients, demo.stays, LATEST)
    tables.RECORDS.check(found)
    tables.FLOW.check(flow)
    return found.sort_values("study_id", ignore_index=True).join(moments[["rung", "at"]])


def test_x_rays_are_found_on_the_rung_they_were_made_for(linked):
    assert linked["acquired_at"].tolist() == linked["at"].tolist()
    assert pd.crosstab(linked["rung"], linked["link_rung"]).to_dict() == {
        "admission": {"admission": 825, "nearest": 0, "none": 0, "patient": 0},
        "nearest": {"admission": 0, "nearest": 200, "none": 0, "patient": 0},
        "none": {"admission": 0, "nearest": 0, "none": 1, "patient": 0},
        "patient": {"admission": 0, "nearest": 0, "none": 0, "patient": 100},
    }


def test_insurance_and_distance_are_those_of_the_stay(demo, linked):
    assert linked.loc[linked["rung"] == "admission", "insurance"].notna().all()
    assert linked.loc[linked["rung"].isin(["patient", "none"]), "insurance"].isna().all()
    near = linked[linked["rung"] == "nearest"]
    assert near["insurance"].notna().all()
    days = near["link_distance_days"].round(2)
    assert (days == 0).sum() + (days == 364).sum() == len(days) == 200
    last = demo.stays.sort_values("ends_at").drop_duplicates("patient_id", keep="last")
    expected = near["patient_id"].map(last.set_index("patient_id")["insurance"])
    assert (near["insurance"] == expected).all()


def test_sex_age_and_race_are_the_patients(demo, linked):
    known = linked[linked["rung"] != "none"]
    people = demo.patients.set_index("patient_id").loc[known["patient_id"]].set_axis(known.index)
    assert (known["sex"] == people["sex"]).all()
    years = known["acquired_at"].dt.year - people["anchor_year"]
    assert (known["age_years"] - people["anchor_age_years"] == years).all()
    assert known["race"].notna().mean() > 0.8
    stranger = linked[linked["rung"] == "none"]
    assert stranger[["age_years", "race", "insurance"]].isna().all(axis=None)
    assert stranger["sex"].tolist() == ["unknown"]
