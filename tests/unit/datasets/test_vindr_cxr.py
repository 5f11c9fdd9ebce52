import json

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from cxrfair import datasets, tables
from cxrfair.config import ConfigError
from cxrfair.datasets import SourceError
from cxrfair.datasets.vindr_cxr import LABELS, SPELT

COLUMNS = [name for name in LABELS if name != "Other disease"]
DEFAULT = "{}"


def dicom(path, syntax=ExplicitVRLittleEndian, **tags):
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.SOPClassUID, file.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    file.Rows = file.Columns = 4
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = np.zeros((4, 4), np.uint16).tobytes()
    file["PixelData"].VR = "OW"
    for tag, value in tags.items():
        setattr(file, tag, value)
    path.parent.mkdir(exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def votes(seen, other="Other diseases", **more):
    """Turn {image: findings of each reader} into rows."""
    rows = []
    for image, readers in seen.items():
        for n, findings in enumerate(readers):
            found = {name: int(name in findings) for name in [*COLUMNS, other]}
            rows.append({"image_id": image, "rad_id": f"R{n + 8}", **found})
    return pd.DataFrame(rows).assign(**more)


TRAIN = {
    "aaa": [{"Edema", "Nodule/Mass"}, {"Edema"}, {"Edema", "Pleural effusion", "Other diseases"}],
    "bbb": [{"No finding"}] * 3,
    "ccc": [{"Pneumonia"}, {"No finding"}, {"Pneumonia"}],
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "annotations").mkdir()
    votes(TRAIN).to_csv(tmp_path / "annotations/image_labels_train.csv", index=False)
    test = votes({"ddd": [{"Edema", "Other disease"}]}, other="Other disease")
    test.drop(columns="rad_id").to_csv(tmp_path / "annotations/image_labels_test.csv", index=False)
    dicom(tmp_path / "train/aaa.dicom", PatientSex="F", PatientAge="045Y", ViewPosition="AP")
    dicom(tmp_path / "train/bbb.dicom", PatientSex="M", PatientAge="018M")
    dicom(tmp_path / "train/ccc.dicom", PatientSex="O", PatientAge="000Y")
    dicom(tmp_path / "test/ddd.dicom", PatientSex="", PatientAge="")
    return tmp_path


def state(given, image, label):
    rows = given.labels.set_index(["image_id", "label"])["state"]
    return rows[image, label]


def read(root, options=DEFAULT):
    given = datasets.read("vindr_cxr", root, options)
    tables.RECORDS.check(given.records)
    tables.LABELS.check(given.labels)
    tables.ANNOTATIONS.check(given.annotations)
    tables.ABSENT.check(given.absent)
    return given


def test_headers_give_sex_age_and_view(root):
    given = read(root)
    records = given.records.set_index("image_id")
    assert records["sex"].to_dict() == {
        "aaa": "female",
        "bbb": "male",
        "ccc": "unknown",
        "ddd": "unknown",
    }
    assert records["age_years"]["aaa"] == 45
    assert records["age_years"]["bbb"] == 1.5
    assert records["age_years"].isna()[["ccc", "ddd"]].all()
    assert records["view"].to_dict() == {"aaa": "AP", "bbb": "PA", "ccc": "PA", "ddd": "PA"}
    assert records["official_fold"]["ddd"] == "test"
    assert records["patient_id"].is_unique
    assert given.notes == {
        "age in the header that is 0 or none: unknown": 1,
        "no view in the header: PA, as all images of the release": 3,
    }


@pytest.mark.parametrize(
    ("readers", "effusion", "edema", "pneumonia"),
    [
        ("majority", "negative", "positive", "positive"),
        ("any", "positive", "positive", "positive"),
        ("all", "negative", "positive", "negative"),
    ],
)
def test_three_opinions_become_one_state(root, readers, effusion, edema, pneumonia):
    given = read(root, json.dumps({"readers": readers}))
    assert state(given, "aaa", "pleural_effusion") == effusion
    assert state(given, "aaa", "edema") == edema
    assert state(given, "ccc", "pneumonia") == pneumonia
    assert state(given, "ddd", "edema") == "positive"


def test_a_draw_is_uncertain_and_silence_is_unmentioned(root):
    rows = votes({"aaa": [{"Edema"}, set()], "bbb": [set()] * 3, "ccc": [set()] * 3})
    rows["COPD"] = rows["COPD"].astype("str").mask(rows["image_id"] == "bbb", "")
    rows.to_csv(root / "annotations/image_labels_train.csv", index=False)
    given = read(root)
    assert state(given, "aaa", "edema") == "uncertain"
    assert state(given, "bbb", "copd") == "unmentioned"
    assert state(given, "ccc", "copd") == "negative"


def test_both_spellings_of_other_disease_are_one_label(root):
    given = read(root, json.dumps({"readers": "any"}))
    assert (
        state(given, "aaa", "other_disease") == state(given, "ddd", "other_disease") == "positive"
    )
    assert given.labels["label"].nunique() == len(LABELS)
    assert set(SPELT.values()) < set(LABELS)


def test_boxes_are_by_reader_in_original_pixels(root):
    (root / "annotations/annotations_train.csv").write_text(
        "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n"
        "aaa,R8,Nodule/Mass,10,20.5,30,40.5\n"
        "aaa,R9,Nodule/Mass,11,20,31,44\n"
        "bbb,R8,No finding,,,,\n"
        "ccc,R8,Lung cyst,9,9,9,12\n"
        "nobody,R8,Edema,1,1,2,2\n"
    )
    (root / "annotations/annotations_test.csv").write_text(
        "image_id,class_name,x_min,y_min,x_max,y_max\nddd,Other diseases,1,2,3,5\n"
    )
    given = read(root)
    rows = given.annotations.sort_values(["image_id", "label", "i"])
    assert [json.loads(box) for box in rows["geometry"]] == [
        [10, 20.5, 20, 20],
        [11, 20, 20, 24],
        [1, 2, 2, 3],
    ]
    assert rows["source"].tolist() == ["R8", "R9", "annotations_test.csv"]
    assert rows["label"].tolist() == ["nodule_mass", "nodule_mass", "other_disease"]
    assert given.notes["box without corners or area: left out"] == 1


def test_what_has_no_file_or_no_header_is_absent(root):
    (root / "train/aaa.dicom").unlink()
    (root / "train/bbb.dicom").write_bytes(b"<html>404</html>")
    (root / "train/extra.dicom").write_bytes(b"")
    dicom(root / "train/ccc.dicom", DeflatedExplicitVRLittleEndian)
    given = read(root)
    assert given.absent.set_index("image_id")["why"].to_dict() == {
        "aaa": "no image file",
        "bbb": "not a DICOM file",
        "ccc": "damaged DICOM header",
    }
    assert given.records["image_id"].tolist() == ["ddd"]
    assert given.notes["image file without a row: left out"] == 1


def test_a_header_outside_the_root_is_not_read(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "x.dicom"
    dicom(outside, PatientSex="F")
    (root / "train/aaa.dicom").unlink()
    (root / "train/aaa.dicom").symlink_to(outside)
    given = read(root)
    assert given.absent["why"].tolist() == ["path leaves the data set's folder"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.assign(Edema=2), "column 'Edema': '2'; allowed: 1, 0"),
        (lambda rows: rows.assign(image_id="../x"), "allowed: a name without a folder"),
        (lambda rows: rows.assign(rad_id="R1"), "a reader's second row of one image"),
        (lambda rows: rows.drop(columns="COPD"), r"no column \['COPD'\]"),
        (lambda rows: rows.replace("aaa", "ddd"), "is in both folds"),
    ],
)
def test_a_bad_table_is_refused(root, change, says):
    change(votes(TRAIN)).to_csv(root / "annotations/image_labels_train.csv", index=False)
    with pytest.raises(SourceError, match=says):
        read(root)


def test_a_missing_table_and_a_bad_setting_are_named(root):
    with pytest.raises(ConfigError, match=r"data\.vindr_cxr\.options\.readers"):
        read(root, '{"readers": "most"}')
    (root / "annotations/image_labels_test.csv").unlink()
    with pytest.raises(SourceError, match="image_labels_test.csv"):
        read(root)


def test_no_row_of_any_file_is_an_error(root):
    for path in root.glob("*/*.dicom"):
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(SourceError, match="none of 4 image files is in the tables"):
        read(root)
