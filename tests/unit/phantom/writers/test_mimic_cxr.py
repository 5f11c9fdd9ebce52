import re

import numpy as np
import pandas as pd
import pytest

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
DRAWN = {
    "pleural_effusion": "Pleural Effusion",
    "nodule": "Lung Lesion",
    "cardiomegaly": "Cardiomegaly",
}


@pytest.fixture(scope="module")
def mimic(written):
    changes = {"patients": 150, "missing_share": 0.1, "uncertain_share": 0.2}
    root, truth = written("mimic_cxr", **changes)
    tables = {
        name: pd.read_csv(root / f"mimic-cxr-2.0.0-{name}.csv.gz")
        for name in ("chexpert", "metadata", "split")
    }
    return root, tables, pd.read_parquet(truth)


def test_the_columns_are_the_originals(mimic):
    _, tables, _ = mimic
    assert tables["chexpert"].columns.tolist() == ["subject_id", "study_id", *LABELS]
    assert tables["metadata"].columns.tolist() == METADATA
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
    noticed = labels[LABELS].drop(columns="No Finding").isin([1.0, -1.0]).any(axis=1)
    assert (noticed == labels["No Finding"].isna()).all()


def test_labels_follow_the_truth_but_for_reporting(mimic):
    _, tables, truth = mimic
    truth = truth.drop_duplicates("study_id").set_index("study_id")
    labels = tables["chexpert"].set_index("study_id")
    for finding, label in DRAWN.items():
        noticed = labels[label].isin([1.0, -1.0])
        there = truth[finding].loc[labels.index]
        assert (noticed & ~there).mean() < 0.03
        assert 0 < (there & ~noticed).sum() < there.sum() / 2


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
    assert set(views.dropna()) == {"AP", "PA", "LATERAL"}
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
