import numpy as np
import pandas as pd
import pydicom
import pytest

from cxrfair import datasets
from cxrfair.images.decode import UnreadableImageError, decode
from cxrfair.phantom import scene

CLEAN = {"underdiagnosis": {}, "overdiagnosis": 0.0, "corrupt_share": 0.0, "dirt_share": 0.0}


@pytest.fixture(scope="module")
def vindr(written):
    root, truth = written("vindr_cxr", patients=150, missing_share=0.2)
    return root, pd.read_parquet(truth)


def _tags(root, truth):
    sound = truth[truth["spoilt"] == ""]
    return {row.image_id: (row, pydicom.dcmread(root / row.path)) for row in sound.itertuples()}


def test_names_and_folders_are_the_originals(vindr):
    root, truth = vindr
    assert truth["image_id"].str.fullmatch("[0-9a-f]{32}").all()
    assert truth["path"].str.fullmatch(r"(train|test)/[0-9a-f]{32}\.dicom").all()
    assert truth["patient"].is_unique
    assert 0.08 < (truth["fold"] == "test").mean() < 0.28


def test_three_readers_disagree_and_the_test_set_has_one_row(vindr):
    root, truth = vindr
    train = pd.read_csv(root / "annotations/image_labels_train.csv")
    test = pd.read_csv(root / "annotations/image_labels_test.csv")
    assert (train.groupby("image_id").size() == 3).all()
    assert not train.duplicated(["image_id", "rad_id"]).any()
    assert train["rad_id"].str.fullmatch(r"R(1[0-7]|[1-9])").all()
    assert test["image_id"].is_unique
    assert "rad_id" not in test
    share = train.groupby("image_id")["Pleural effusion"].mean()
    assert share.between(0.1, 0.9).any()
    assert {*train["image_id"], *test["image_id"]} == set(truth["image_id"])
    assert "Other diseases" in train
    assert "Other disease" in test


def test_headers_hold_sex_and_age_but_not_always(vindr):
    root, truth = vindr
    tags = _tags(root, truth)
    for row, file in tags.values():
        assert file.get("PatientSex") in {"", {"female": "F", "male": "M"}[row.sex]}
        assert file.get("PatientAge") in {None, f"{int(row.age_years):03d}Y"}
        assert not {"PatientName", "StudyDate", "PatientID"} & set(file.dir())
    empty = np.mean([file.get("PatientSex") == "" for _, file in tags.values()])
    assert empty == pytest.approx(0.2, abs=0.12)
    inverted = {file.get("PhotometricInterpretation") for _, file in tags.values()}
    assert inverted == {"MONOCHROME1", "MONOCHROME2"}


def test_twelve_bits_in_sixteen_show_the_very_picture(written):
    root, truth = written("vindr_cxr", **CLEAN)
    rows = pd.read_parquet(truth).head(12)
    assert rows["inverted"].any()
    for path, grey in zip(rows["path"], scene.draw(rows, 48).grey, strict=True):
        file = pydicom.dcmread(root / path)
        assert (file.BitsAllocated, file.BitsStored, file.pixel_array.max() > 255) == (16, 12, True)
        np.testing.assert_array_equal(decode(root / path, 48)[0], grey)


def test_dirt_is_files_without_pixels(written):
    root, truth = written("vindr_cxr", dirt_share=0.3, corrupt_share=0.0)
    truth = pd.read_parquet(truth)
    assert 0.1 < (truth["spoilt"] == "without pixels").mean() < 0.5
    for row in truth.itertuples():
        if row.spoilt:
            with pytest.raises(UnreadableImageError, match="a DICOM without pixels"):
                decode(root / row.path, 32)


def test_perfect_reports_are_the_truth(written):
    root, truth = written("vindr_cxr", **CLEAN)
    truth = pd.read_parquet(truth).set_index("image_id")
    given = datasets.read("vindr_cxr", root, "{}")
    states = given.labels.pivot(index="image_id", columns="label", values="state").loc[truth.index]
    for label, findings in {
        "cardiomegaly": ["cardiomegaly"],
        "pleural_effusion": ["pleural_effusion"],
        "nodule_mass": ["nodule", "mass"],
    }.items():
        there = truth[findings].any(axis=1)
        assert (states[label].eq("positive") == there).all()
    assert set(given.annotations["label"]) >= {"cardiomegaly", "pleural_effusion"}
