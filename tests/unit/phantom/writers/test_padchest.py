import ast
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrfair import datasets
from cxrfair.phantom import scene
from cxrfair.phantom.population import FINDINGS
from cxrfair.phantom.writers import padchest

CHANGES = {"patients": 150, "missing_share": 0.1, "dirt_share": 0.0}
PERFECT = {"underdiagnosis": {}, "overdiagnosis": 0.0}


@pytest.fixture(scope="module")
def made(written):
    root, truth = written("padchest", **CHANGES, **PERFECT)
    rows = pd.read_csv(root / padchest.TABLE, dtype={"PatientID": str, "StudyID": str})
    return root, rows, pd.read_parquet(truth).set_index("image_id")


def test_the_first_column_has_no_name_and_counts(made):
    root, rows, _ = made
    line = (root / padchest.TABLE).read_text().splitlines()[0]
    assert line.startswith(",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,")
    assert rows.iloc[:, 0].tolist() == list(range(len(rows)))


def test_pictures_are_16_bit_in_numbered_folders(made):
    root, rows, truth = made
    files = {str(path.relative_to(root)) for path in root.rglob("*.png")}
    assert files == {f"{row.ImageDir}/{row.ImageID}" for row in rows.itertuples()}
    assert all(re.fullmatch(r"\d{39}_\d\d-\d{3}-\d{3}\.png", name) for name in rows["ImageID"])
    sound = truth[truth["spoilt"] == ""].head(3)
    for path, grey in zip(sound["path"], scene.draw(sound, 48).grey, strict=True):
        with Image.open(root / path) as image:
            assert image.mode == "I;16"
            assert (np.asarray(image) >> 8 == grey).all()


def test_labels_are_the_truth_when_reports_are_perfect(made):
    _, rows, truth = made
    for row in rows.itertuples():
        words = ast.literal_eval(row.Labels)
        there = [name for name in FINDINGS if truth.loc[row.ImageID, name]]
        assert len(words) == max(len(there), 1)
        assert all(word in padchest.WORDS[name] for word, name in zip(words, there, strict=False))
        assert (words == ["normal"]) == (not there)


def test_people_are_described_in_the_originals_words(made):
    _, rows, truth = made
    assert set(rows["Projection"]) == {"PA", "L", "AP", "AP_horizontal"}
    assert set(rows["PatientSex_DICOM"].fillna("None")) == {"F", "M", "None"}
    assert rows["PatientBirth"].isna().mean() == pytest.approx(0.1, abs=0.06)
    assert rows["StudyDate_DICOM"].between(20090101, 20380101).all()
    age = rows["StudyDate_DICOM"] // 10_000 - rows["PatientBirth"]
    assert ((age - truth.loc[rows["ImageID"], "age_years"].to_numpy()).abs().dropna() < 1).all()
    assert rows.groupby("PatientID")["StudyID"].nunique().max() > 1


def test_some_rows_are_of_no_use(written):
    root, truth = written("padchest", **{**CHANGES, "dirt_share": 0.3})
    images = datasets.read("padchest", root, "{}")
    lost = images.absent["why"].value_counts()
    assert lost.sum() / len(pd.read_parquet(truth)) == pytest.approx(0.3, abs=0.1)
    assert set(lost.index) == {
        "labels only say unchanged",
        "no labels",
        "the source calls it suboptimal",
        "the source excludes it",
    }


def test_the_adapter_reads_what_is_true(made):
    root, _, truth = made
    images = datasets.read("padchest", root, "{}")
    labels = images.labels.set_index(["image_id", "label"])["state"].unstack()
    there = truth.loc[labels.index]
    for ours, finding in {
        "pleural_effusion": "pleural_effusion",
        "mass": "mass",
        "fracture": "fracture",
        "support_devices": "support_devices",
        "pleural_other": "pleural_other",
        "enlarged_cardiomediastinum": "enlarged_cardiomediastinum",
    }.items():
        assert ((labels[ours] == "positive") == there[finding]).all()
    patients = images.records.set_index("image_id")["patient_id"]
    assert patients.sort_index().equals(truth["patient_id"].sort_index())
