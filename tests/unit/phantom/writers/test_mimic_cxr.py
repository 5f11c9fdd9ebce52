import re

import numpy as np
import pandas as pd
import pytest

from cxrfair import datasets

LABELS = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
]
METADATA = [
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
]
SPEAK_OF = {  # findings of the truth; the other labels speak of the one of their own name
    "Lung Lesion": ["nodule", "mass"],
    "Lung Opacity": ["lung_opacity", "atelectasis", "consolidation", "edema", "pneumonia"],
}
VIEWS = datasets.get("mimic_cxr").VIEWS


@pytest.fixture(scope="module")
def mimic(written):
    changes = {"patients": 150, "missing_share": 0.1, "uncertain_share": 0.2, "dirt_share": 0.0}
    root, truth = written("mimic_cxr", **changes)
    tables = {
        name: pd.read_csv(root / f"mimic-cxr-2.0.0-{name}.csv.gz")
        for name in ("chexpert", "negbio", "metadata", "split")
    }
    return root, tables, pd.read_parquet(truth)


def test_the_columns_are_the_originals(mimic):
    _, tables, _ = mimic
    assert tables["chexpert"].columns.tolist() == ["subject_id", "study_id", *LABELS]
    assert tables["metadata"].columns.tolist() == METADATA
    assert tables["negbio"].columns.tolist() == tables["chexpert"].columns.tolist()
    assert tables["split"].columns.tolist() == ["dicom_id", "study_id", "subject_id", "split"]


def test_paths_are_the_originals_and_hold_a_file_a_row(mimic):
    root, tables, _ = mimic
    pattern = re.compile(r"files/p1\d/p1\d{7}/s5\d{7}/[0-9a-f]{8}(-[0-9a-f]{8}){4}\.jpg")
    files = [str(path.relative_to(root)) for path in root.rglob("*.jpg")]
    assert all(pattern.fullmatch(path) for path in files)
    wanted = [
        f"files/p{str(row.subject_id)[:2]}/p{row.subject_id}/s{row.study_id}/{row.dicom_id}.jpg"
        for row in tables["metadata"].itertuples()
    ]
    assert sorted(files) == sorted(wanted)
    assert tables["metadata"]["dicom_id"].tolist() == tables["split"]["dicom_id"].tolist()


def test_labels_hold_one_zero_minus_one_or_blank(mimic):
    _, tables, _ = mimic
    labels = tables["chexpert"]
    for label in LABELS:
        assert set(labels[label].dropna()) <= {1.0, 0.0, -1.0}
    assert set(labels["Pleural Effusion"].dropna()) == {1.0, 0.0, -1.0}
    assert labels["Pleural Effusion"].isna().any()
    assert set(labels["No Finding"].dropna()) == {1.0}
    assert labels["study_id"].is_unique
    diseases = labels[LABELS].drop(columns=["No Finding", "Support Devices"])
    noticed = diseases.isin([1.0, -1.0]).any(axis=1)
    assert (noticed == labels["No Finding"].isna()).all()


def _there(truth, label):
    """Whether what a label speaks of is there, by study."""
    studies = truth.drop_duplicates("study_id").set_index("study_id")
    return studies[SPEAK_OF.get(label, [label.lower().replace(" ", "_")])].any(axis=1)


def test_labels_follow_the_truth_but_for_reporting(mimic):
    _, tables, truth = mimic
    labels = tables["chexpert"].set_index("study_id")
    missed = 0
    for label in (name for name in LABELS if name != "No Finding"):
        noticed = labels[label].isin([1.0, -1.0])
        there = _there(truth, label).loc[labels.index]
        assert (noticed & ~there).mean() < 0.05
        assert there.sum() > 5
        assert (there & ~noticed).sum() < there.sum() / 2
        missed += (there & ~noticed).sum()
    assert missed > 50


def test_the_second_labeller_has_more_doubt_and_agrees_else(mimic):
    _, tables, _ = mimic
    first, second = tables["chexpert"], tables["negbio"]
    assert first["study_id"].tolist() == second["study_id"].tolist()
    differ = (first[LABELS] != second[LABELS]) & first[LABELS].notna()
    assert 0.001 < differ.to_numpy().mean() < 0.02
    assert (second[LABELS].where(differ).stack().dropna() == -1).all()
    assert (first[LABELS].isna() == second[LABELS].isna()).all(axis=None)


def test_an_expert_says_what_is_there_in_some_test_studies(mimic):
    root, tables, truth = mimic
    expert = pd.read_csv(root / "mimic-cxr-2.1.0-test-set-labeled.csv").set_index("study_id")
    assert set(expert.columns) == {*LABELS, "Airspace Opacity"} - {"Lung Opacity"}
    tested = set(tables["split"].query("split == 'test'")["study_id"])
    assert 10 < len(expert) < len(tested)
    assert set(expert.index) < tested
    for label in (name for name in LABELS if name not in {"No Finding", "Lung Opacity"}):
        assert (expert[label] == _there(truth, label).loc[expert.index]).all()
    opaque = _there(truth, "Lung Opacity").loc[expert.index]
    assert (expert["Airspace Opacity"] == opaque).all()
    found = datasets.read("mimic_cxr", root, '{"labels": "expert_on_test"}')
    assert list(found.notes.values()) == [len(expert)]


@pytest.fixture(scope="module")
def copied(written):
    root, truth = written("mimic_cxr", patients=150, dirt_share=0.2)
    return root, pd.read_parquet(truth)


def test_a_copy_is_the_same_file_under_another_name(copied):
    root, truth = copied
    copies = truth[truth["copy_of"] != ""]
    assert len(copies) / len(truth) == pytest.approx(0.2 / 1.2, abs=0.04)
    first = truth.set_index("image_id").loc[copies["copy_of"]]
    assert (first["copy_of"] == "").all()
    for path, original in zip(copies["path"], first["path"], strict=True):
        assert path != original
        assert (root / path).read_bytes() == (root / original).read_bytes()
    scene = truth.columns.difference(
        ["image_id", "copy_of", "path", "subject_id", "study_id", "acquired_at"]
    )
    assert copies[scene].equals(first[scene].set_axis(copies.index))


def test_half_the_copies_are_filed_with_another_patient(copied):
    root, truth = copied
    copies = truth[truth["copy_of"] != ""]
    first = truth.set_index("image_id").loc[copies["copy_of"]].set_axis(copies.index)
    astray = copies["subject_id"] != first["subject_id"]
    assert astray.mean() == pytest.approx(0.5, abs=0.15)
    same = copies.loc[~astray, ["study_id", "acquired_at"]]
    assert same.equals(first.loc[~astray, ["study_id", "acquired_at"]])
    when = truth[truth["copy_of"] == ""].drop_duplicates("study_id").set_index("study_id")
    assert (copies["acquired_at"] == copies["study_id"].map(when["acquired_at"])).all()
    assert (copies["subject_id"] == copies["study_id"].map(when["subject_id"])).all()


def test_the_adapter_reads_copies_and_floats_as_they_are_filed(copied):
    root, truth = copied
    found = datasets.read("mimic_cxr", root, "{}")
    records = found.records.set_index("image_id")
    truth = truth.set_index("image_id").loc[records.index]
    assert records["patient_id"].tolist() == truth["subject_id"].astype(str).tolist()
    assert records["acquired_at"].tolist() == truth["acquired_at"].tolist()
    assert records["path"].tolist() == truth["path"].tolist()
    assert records.groupby("patient_id")["official_fold"].nunique().max() == 1
    assert 0.1 < found.notes["study dates written as floats"] / len(records) < 0.3


def test_copies_change_no_label(written, copied):
    clean, _ = written("mimic_cxr", patients=150, dirt_share=0.0)
    for name in ("chexpert.csv.gz", "negbio.csv.gz"):
        table = f"mimic-cxr-2.0.0-{name}"
        pd.testing.assert_frame_equal(pd.read_csv(clean / table), pd.read_csv(copied[0] / table))


def test_dates_and_times_can_be_read_back(mimic):
    _, tables, truth = mimic
    rows = tables["metadata"].set_index("dicom_id").loc[truth["image_id"]]
    assert rows["StudyDate"].dtype == np.int64
    assert rows["StudyTime"].dtype == np.float64
    clock = rows["StudyTime"].astype(int).astype(str).str.zfill(6)
    at = pd.to_datetime(rows["StudyDate"].astype(str) + clock, format="%Y%m%d%H%M%S")
    assert at.tolist() == truth["acquired_at"].tolist()
    assert at.dt.year.between(2110, 2230).all()


def test_views_include_lateral_and_missing_ones(mimic):
    _, tables, truth = mimic
    views = tables["metadata"]["ViewPosition"]
    assert {"AP", "PA", "LATERAL", "LL"} < set(views.dropna()) <= set(VIEWS)
    lateral = truth.set_index("image_id")["lateral"].loc[tables["metadata"]["dicom_id"]].to_numpy()
    sideways = views.isin(["LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"])
    assert (sideways == lateral)[views.notna()].all()
    assert (~views.dropna().isin(["AP", "PA", "LATERAL", "LL"])).mean() < 0.03
    assert views.isna().mean() == pytest.approx(0.1, abs=0.05)
    assert truth["lateral"].groupby(truth["study_id"]).sum().mean() == pytest.approx(0.15, abs=0.06)


def test_no_side_views_at_share_zero(written):
    root, _ = written("mimic_cxr", lateral_share=0.0)
    views = pd.read_csv(root / "mimic-cxr-2.0.0-metadata.csv.gz")["ViewPosition"]
    assert "LATERAL" not in set(views)


def test_the_official_split_is_by_patient(mimic):
    _, tables, _ = mimic
    split = tables["split"]
    assert set(split["split"]) == {"train", "validate", "test"}
    assert (split.groupby("subject_id")["split"].nunique() == 1).all()
