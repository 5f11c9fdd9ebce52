import gzip
import json

import pytest

from cxrfair import datasets, tables
from cxrfair.datasets import SourceError, nih_chestxray14

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
ROWS = (
    ("00000001_000.png", "Cardiomegaly|Effusion", "00000001", "058Y", "M", "PA"),
    ("00000001_001.png", "No Finding", "00000001", "011M", "M", "AP"),
    ("00000002_000.png", "Infiltration", "00000002", "414Y", "F", "PA"),
    ("00000003_000.png", "No Finding", "00000003", "073D", "", ""),
)
BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


def _row(image, findings, patient, age, sex, view):
    return f"{image},{findings},000,{patient},{age},{sex},{view},2682,2749,0.143,0.143"


def _table(root, rows=ROWS, header=HEADER, name="Data_Entry_2017.csv"):
    (root / name).write_text("\r\n".join([header, *(_row(*row) for row in rows)]) + "\r\n")


def _images(root, names=None, folder="images"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in [row[0] for row in ROWS] if names is None else names:
        (root / folder / name).touch()


def _read(root):
    images = nih_chestxray14.read(root)
    tables.RECORDS.check(images.records)
    tables.LABELS.check(images.labels)
    tables.ANNOTATIONS.check(images.annotations)
    return images


@pytest.fixture
def root(tmp_path):
    _table(tmp_path)
    _images(tmp_path)
    return tmp_path


def test_the_2017_form(root):
    records = _read(root).records.set_index("image_id")
    assert records["patient_id"].tolist() == ["1", "1", "2", "3"]
    assert records["sex"].tolist() == ["male", "male", "female", "unknown"]
    assert records["view"].fillna("-").tolist() == ["PA", "AP", "PA", "-"]
    ages = records["age_years"]
    assert ages.iloc[0] == 58
    assert ages.iloc[1] == pytest.approx(11 / 12)
    assert ages.isna().tolist() == [False, False, True, False]
    assert ages.iloc[3] == pytest.approx(73 / 365.25)
    assert records["path"].iloc[0] == "images/00000001_000.png"
    assert records[["race", "insurance", "link_rung", "acquired_at"]].isna().all(axis=None)


def test_the_2020_form_is_preferred_and_calls_it_patient_sex(root):
    header = HEADER.replace("Gender", "Sex").rstrip(",")
    rows = [(*row[:3], "57", *row[4:]) for row in ROWS]
    _table(root, rows, header, "Data_Entry_2017_v2020.csv")
    (root / "Data_Entry_2017_v2020.csv.gz").write_bytes(
        gzip.compress((root / "Data_Entry_2017_v2020.csv").read_bytes())
    )
    (root / "Data_Entry_2017_v2020.csv").unlink()
    assert _read(root).records["age_years"].tolist() == [57.0] * 4


def test_rules_that_were_applied_are_counted(root):
    (root / "BBox_List_2017.csv").write_text(
        f"{BOXES}{ROWS[2][0]},Infiltrate,1,2,3,4\n00000009_000.png,Mass,1,2,3,4\n"
    )
    assert _read(root).notes == {
        "age above 120 years: unknown": 1,
        "age in months or days: made years": 2,
        "boxes called Infiltrate: infiltration": 1,
        "boxes in images that are not there: left out": 1,
    }


def test_every_label_of_every_image_has_a_state(root):
    labels = _read(root).labels
    assert len(labels) == 4 * 15
    positive = labels[labels["state"] == "positive"].set_index("image_id")["label"]
    assert sorted(positive["00000001_000.png"]) == ["cardiomegaly", "pleural_effusion"]
    assert positive["00000001_001.png"] == "no_finding"
    assert set(labels["state"]) == {"positive", "unmentioned"}


def test_columns_that_are_blank_everywhere(root):
    _table(root, [(*row[:3], "", "", "") for row in ROWS])
    records = _read(root).records
    assert records[["age_years", "view"]].isna().all(axis=None)
    assert set(records["sex"]) == {"unknown"}


def test_images_in_numbered_folders(tmp_path):
    _table(tmp_path)
    _images(tmp_path, [ROWS[0][0], ROWS[1][0]], "images_001/images")
    _images(tmp_path, [ROWS[2][0], ROWS[3][0]], "images_012/images")
    assert _read(tmp_path).records["path"].tolist()[::2] == [
        "images_001/images/00000001_000.png",
        "images_012/images/00000002_000.png",
    ]


def test_a_listed_image_without_a_file_is_absent(root):
    (root / "images" / ROWS[0][0]).unlink()
    images = _read(root)
    assert ROWS[0][0] not in set(images.records["image_id"]) | set(images.labels["image_id"])
    assert images.absent.to_dict("records") == [
        {"image_id": ROWS[0][0], "patient_id": "1", "why": "no image file"}
    ]


def test_boxes_are_in_original_pixels_and_infiltrate_is_infiltration(root):
    (root / "BBox_List_2017.csv").write_text(
        f"{BOXES}{ROWS[2][0]},Infiltrate,10.5,20,30,40\n{ROWS[2][0]},Infiltrate,1,2,3,4\n"
        f"00000009_000.png,Mass,1,2,3,4\n"
    )
    boxes = _read(root).annotations
    assert boxes["label"].tolist() == ["infiltration", "infiltration"]
    assert [json.loads(text) for text in boxes["geometry"]] == [
        [10.5, 20, 30, 40, 1024, 1024],
        [1, 2, 3, 4, 1024, 1024],
    ]
    assert boxes["i"].tolist() == [0, 1]


def test_official_folds(root):
    (root / "train_val_list.txt").write_text(f"{ROWS[0][0]}\n{ROWS[1][0]}\n")
    (root / "test_list.txt").write_text(f"{ROWS[2][0]}\n")
    folds = _read(root).records["official_fold"].fillna("-").tolist()
    assert folds == ["train_validation", "train_validation", "test", "-"]
    (root / "test_list.txt").write_text(f"{ROWS[1][0]}\n")
    with pytest.raises(SourceError, match=r"'00000001_001\.png' is in both official lists"):
        _read(root)
    (root / "test_list.txt").unlink()
    with pytest.raises(SourceError, match=r"looked for test_list\.txt"):
        _read(root)


@pytest.mark.parametrize(
    ("place", "value", "column", "says"),
    [
        (1, "Pneumonai", "Finding Labels", "some of these joined by |: Atelectasis"),
        (1, "No Finding|Mass", "Finding Labels", "allowed: No Finding, or some"),
        (2, "1a", "Patient ID", "allowed: digits"),
        (3, "58 y", "Patient Age", "allowed: 058Y, 011M, 003D or 58"),
        (4, "male", "Patient Gender", "allowed: F, M or blank"),
        (5, "LL", "View Position", "allowed: AP, PA or blank"),
        (0, "00000001_000.png", "Image Index", "allowed: each value once"),
    ],
)
def test_a_bad_cell_names_file_row_column_and_what_is_allowed(root, place, value, column, says):
    rows = [list(row) for row in ROWS]
    rows[2][place] = value
    _table(root, rows)
    with pytest.raises(SourceError) as caught:
        _read(root)
    assert f"Data_Entry_2017.csv row 4, column '{column}': '{value}'; " in str(caught.value)
    assert says in str(caught.value)


def test_a_bad_box_is_named(root):
    (root / "BBox_List_2017.csv").write_text(f"{BOXES}{ROWS[2][0]},Infiltrat,1,2,3,x\n")
    with pytest.raises(SourceError) as caught:
        _read(root)
    assert "BBox_List_2017.csv row 2, column 'h]': 'x'; allowed: pixels" in str(caught.value)
    assert "column 'Finding Label': 'Infiltrat'; allowed: Atelectasis" in str(caught.value)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"looked for Data_Entry_2017_v2020\.csv, Data_Entry"):
        _read(tmp_path)
    _table(tmp_path)
    with pytest.raises(SourceError, match=r"no image file at all; looked for images/\*\.png"):
        _read(tmp_path)
    _images(tmp_path, ["00000009_000.png"])
    with pytest.raises(SourceError, match="none of 1 image files is in the table"):
        _read(tmp_path)
    _table(tmp_path, header=HEADER.replace("Patient Age", "Age"))
    with pytest.raises(SourceError, match=r"no column \['Patient Age'\]; has Image Index, "):
        _read(tmp_path)


def test_one_image_in_two_folders_is_refused(root):
    _images(root, [ROWS[0][0]], "images_001/images")
    with pytest.raises(SourceError, match=r"images/00000001_000\.png and images_001/images/0000"):
        _read(root)


def test_the_real_files(shared_data):
    images = _read(shared_data / "nih_chestxray14")
    assert len(images.records) == 3704
    assert images.records["patient_id"].nunique() == 2809
    assert len(images.absent) == 112_120 - 3704
    assert images.records["official_fold"].value_counts().to_dict() == {
        "train_validation": 2356,
        "test": 1348,
    }
    assert images.records["age_years"].between(0, 95).all()
    boxes = images.annotations["label"].value_counts()
    assert len(images.annotations) == 984
    assert images.notes == {"boxes called Infiltrate: infiltration": 123}
    assert (boxes["pleural_effusion"], boxes["infiltration"], boxes["nodule"]) == (153, 123, 79)
    assert datasets.get("nih_chestxray14").SOURCE.startswith("Wang")


def test_the_real_2017_table(shared_data, tmp_path):
    real = shared_data / "nih_chestxray14"
    (tmp_path / "Data_Entry_2017.csv").symlink_to(real / "Data_Entry_2017.csv")
    (tmp_path / "images").symlink_to(real / "images")
    images = _read(tmp_path)
    assert len(images.records) + len(images.absent) == 112_120
    assert images.records["age_years"].max() <= 120
    assert images.notes["age above 120 years: unknown"] == 16
