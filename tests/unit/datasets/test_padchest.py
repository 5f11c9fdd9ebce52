"""PadChest's table, right and wrong."""

import contextlib
import csv
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.datasets import SourceError, padchest

NAME = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
HEADER = [
    *("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth"),
    *("PatientSex_DICOM", "ViewPosition_DICOM", "Projection", "Pediatric", "ReportID", "Report"),
    *("MethodLabel", "Labels", "Localizations"),
]
ROW = {
    "ImageID": "2053668664_k6ga29.png",
    "ImageDir": "0",
    "StudyDate_DICOM": "20140915",
    "StudyID": "20536686",
    "PatientID": "839860488694",
    "PatientBirth": "1930.0",
    "PatientSex_DICOM": "F",
    "ViewPosition_DICOM": "POSTEROANTERIOR",
    "Projection": "PA",
    "Pediatric": "No",
    "ReportID": "4765777",
    "Report": "sin hallazgos , normal .",
    "MethodLabel": "Physician",
    "Labels": "['normal']",
    "Localizations": "[]",
}
SECOND = {
    **ROW,
    "ImageID": "1.2-3_x.png",
    "ImageDir": "54",
    "PatientSex_DICOM": "None",
    "Projection": "AP_horizontal",
    "Labels": "['', 'laminar atelectasis', 'Pleural effusion ', 'consolidation', 'gynecomastia']",
}


def _table(root, *rows, name=NAME, header=HEADER):
    with (root / name).open("w", newline="") as stream:
        table = csv.DictWriter(stream, header, extrasaction="ignore")
        table.writeheader()
        table.writerows({"": str(i), **row} for i, row in enumerate(rows))


def _images(root, *rows, folder=None):
    for row in rows:
        path = root / (row["ImageDir"] if folder is None else folder) / row["ImageID"]
        path.parent.mkdir(exist_ok=True)
        path.touch()


def _read(root):
    images = padchest.read(root)
    for field, table in {
        "records": tables.RECORDS,
        "labels": tables.LABELS,
        "annotations": tables.ANNOTATIONS,
        "absent": tables.ABSENT,
    }.items():
        table.check(getattr(images, field))
    return images


@pytest.fixture
def root(tmp_path):
    _table(tmp_path, ROW, SECOND)
    _images(tmp_path, ROW, SECOND)
    return tmp_path


def _positive(images, image):
    labels = images.labels[images.labels["image_id"] == image]
    return sorted(labels[labels["state"] == "positive"]["label"])


def test_what_the_table_says(root):
    images = _read(root)
    records = images.records.set_index("image_id")
    assert records["path"].tolist() == ["0/2053668664_k6ga29.png", "54/1.2-3_x.png"]
    assert records["view"].tolist() == ["PA", "AP_horizontal"]
    assert records["sex"].tolist() == ["female", "unknown"]
    assert records["age_years"].tolist() == [84, 84]
    assert records["patient_id"].tolist() == ["839860488694"] * 2
    assert str(records["acquired_at"].iloc[0]) == "2014-09-15 00:00:00"
    assert records[["race", "insurance", "official_fold"]].isna().all(axis=None)
    assert images.notes == {"sex neither F nor M: unknown": 1}


def test_words_become_labels_and_what_is_not_listed_is_unmentioned(root):
    images = _read(root)
    assert _positive(images, ROW["ImageID"]) == ["no_finding"]
    assert _positive(images, SECOND["ImageID"]) == [
        "atelectasis",
        "consolidation",
        "infiltration",
        "pleural_effusion",
    ]
    assert set(images.labels["state"]) == {"positive", "unmentioned"}
    assert len(images.labels) == 2 * len(padchest.WORDS)


def test_label_names_are_canonical_and_words_as_the_source_spells_them():
    assert all(name.isidentifier() and name.islower() for name in padchest.WORDS)
    assert all(word == word.strip().lower() for words in padchest.WORDS.values() for word in words)


def test_images_in_one_folder_and_a_compressed_table(tmp_path):
    _table(tmp_path, ROW, SECOND)
    (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress((tmp_path / NAME).read_bytes()))
    (tmp_path / NAME).unlink()
    _images(tmp_path, ROW, SECOND, folder="images-224")
    assert _read(tmp_path).records["path"].iloc[1] == "images-224/1.2-3_x.png"


def test_what_cannot_be_used_is_absent_and_says_why(tmp_path):
    rows = [
        {**ROW, "ImageID": f"{i}.png", **changes}
        for i, changes in enumerate(
            [
                {},
                {"Labels": ""},
                {"Labels": "['']"},
                {"Labels": "['exclude', 'nodule']"},
                {"Labels": "['suboptimal study ', 'normal']"},
                {"Labels": "['unchanged']"},
                {"Labels": "['unchanged', 'nodule']"},
                {"Projection": "EXCLUDE"},
                {"Labels": ""},
            ]
        )
    ]
    _table(tmp_path, *rows)
    _images(tmp_path, *rows[:-1])
    images = _read(tmp_path)
    assert images.records["image_id"].tolist() == ["0.png", "6.png"]
    assert images.absent["why"].tolist() == [
        "no labels",
        "no labels",
        "the source excludes it",
        "the source calls it suboptimal",
        "labels only say unchanged",
        "the source excludes it",
        "no image file",
    ]


def test_blank_and_impossible_cells_are_unknown_and_counted(tmp_path):
    blank = dict.fromkeys(("StudyDate_DICOM", "StudyID", "PatientSex_DICOM", "Projection"), "")
    rows = [
        {**ROW, "ImageID": "0.png", **blank},
        {**ROW, "ImageID": "1.png", "PatientBirth": ""},
        {**ROW, "ImageID": "2.png", "PatientBirth": "2015"},
        {**ROW, "ImageID": "3.png", "StudyDate_DICOM": "20140915.0"},
        {**ROW, "ImageID": ""},
        {**ROW, "ImageID": "5.png", "PatientID": ""},
    ]
    _table(tmp_path, *rows)
    _images(tmp_path, *rows[:4])
    images = _read(tmp_path)
    records = images.records
    assert records["age_years"].fillna(-1).tolist() == [-1, -1, -1, 84]
    assert records["study_id"].tolist() == ["0", *["20536686"] * 3]
    assert records[["view", "acquired_at"]].isna().all(axis=1).tolist() == [True, *[False] * 3]
    assert images.notes == {
        "age below 0 or above 120: unknown": 1,
        "rows without an image or a patient: left out": 2,
    }


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("ImageID", "../x.png", "allowed: a .png file name"),
        ("ImageID", "/x.png", "allowed: a .png file name"),
        ("ImageID", "..png", "allowed: a .png file name"),
        ("ImageID", ROW["ImageID"], "allowed: each value once (1 rows)"),
        ("ImageDir", "..", "allowed: digits"),
        ("StudyDate_DICOM", "20141315", "allowed: a date YYYYMMDD or blank"),
        ("PatientBirth", "30", "allowed: a year"),
        ("PatientSex_DICOM", "X", "allowed: F, M, O, None, nan or blank"),
        ("PatientID", "a b", "allowed: letters, digits"),
        ("Projection", "P/A", "allowed: a word"),
        ("Labels", "normal", "allowed: a list of words"),
        ("Labels", "[1, 2]", "allowed: a list of words"),
        ("Labels", "__import__('os').getcwd()", "allowed: a list of words"),
    ],
)
def test_a_bad_cell_names_file_row_column_and_what_is_allowed(root, column, value, says):
    _table(root, ROW, {**SECOND, column: value})
    with pytest.raises(SourceError) as caught:
        _read(root)
    assert f"{NAME} row 3, column {column!r}: " in str(caught.value)
    assert repr(value) in str(caught.value)
    assert says in str(caught.value)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(SourceError, match="0 tables match PADCHEST_chest_x_ray"):
        _read(tmp_path)
    _table(tmp_path, ROW)
    with pytest.raises(SourceError, match="no image file at all"):
        _read(tmp_path)
    _images(tmp_path, SECOND)
    with pytest.raises(SourceError, match="no image has a file, a row and labels; 1 rows"):
        _read(tmp_path)
    _table(tmp_path, ROW, name=NAME.replace("19", "20"))
    with pytest.raises(SourceError, match="2 tables match"):
        _read(tmp_path)
    (tmp_path / NAME).unlink()
    header = [name for name in HEADER if name != "Labels"]
    _table(tmp_path, ROW, name=NAME.replace("19", "20"), header=header)
    with pytest.raises(SourceError, match=r"no column \['Labels'\]"):
        _read(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30))
def test_any_label_text_is_read_or_refused_in_our_words(root, labels):
    _table(root, ROW, {**SECOND, "Labels": labels})
    with contextlib.suppress(SourceError):
        assert len(_read(root).records) in {1, 2}
