"""CheXpert's lists and workbook, right and wrong."""

import contextlib
import gzip

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.datasets import SourceError, chexpert

LABELS = list(chexpert.LABELS)
HEADER = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS]
SHEET = ["PATIENT", "GENDER", "AGE_AT_CXR", "PRIMARY_RACE", "ETHNICITY"]
BLANKS = [""] * (len(LABELS) - 4)
TRAIN = [
    [
        "patient00001/study1/view1_frontal",
        "Female",
        "68",
        "Frontal",
        "AP",
        "1.0",
        "",
        "0.0",
        "-1.0",
    ],
    ["patient00001/study1/view2_lateral", "Female", "68", "Lateral", "", "1.0", "", "0.0", "-1.0"],
    ["patient00002/study1/view1_frontal", "Unknown", "0", "Frontal", "PA", "", "", "", ""],
    ["patient00002/study2/view1_frontal", "Unknown", "0", "Frontal", "LL", "", "", "", ""],
]
VALID = [
    ["patient64541/study1/view1_frontal", "Male", "73", "Frontal", "AP", "0.0", "1.0", "0", "0"]
]


def _list(path, rows, folder, header=HEADER, prefix="CheXpert-v1.0-small/"):
    filled = [[f"{prefix}{folder}/{row[0]}.jpg", *row[1:], *BLANKS] for row in rows]
    path.write_text("\n".join(",".join(cells) for cells in [header, *filled]) + "\n")


def _images(root, rows, folder):
    for row in rows:
        path = root / folder / f"{row[0]}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _workbook(path, rows, header=SHEET):
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    book.save(path)


def _read(root):
    images = chexpert.read(root)
    for field, table in {
        "records": tables.RECORDS,
        "labels": tables.LABELS,
        "annotations": tables.ANNOTATIONS,
        "absent": tables.ABSENT,
    }.items():
        table.check(getattr(images, field))
    return images


def _states(images, image):
    labels = images.labels[images.labels["image_id"] == image]
    return labels.set_index("label")["state"]


@pytest.fixture
def root(tmp_path):
    _list(tmp_path / "train.csv", TRAIN, "train")
    _list(tmp_path / "valid.csv", VALID, "valid")
    _images(tmp_path, TRAIN, "train")
    _images(tmp_path, VALID, "valid")
    return tmp_path


def test_what_the_lists_say(root):
    records = _read(root).records.set_index("image_id")
    assert records.index.tolist() == [
        "patient00001_study1_view1_frontal",
        "patient00001_study1_view2_lateral",
        "patient00002_study1_view1_frontal",
        "patient00002_study2_view1_frontal",
        "patient64541_study1_view1_frontal",
    ]
    assert records["view"].tolist() == ["AP", "LATERAL", "PA", "LL", "AP"]
    assert records["sex"].tolist() == ["female", "female", "unknown", "unknown", "male"]
    assert records["age_years"].fillna(-1).tolist() == [68, 68, -1, -1, 73]
    assert records["patient_id"].tolist()[::2] == ["patient00001", "patient00002", "patient64541"]
    assert records["study_id"].nunique() == 4
    assert records["official_fold"].tolist() == ["train"] * 4 + ["validation"]
    assert records["path"].iloc[0] == "train/patient00001/study1/view1_frontal.jpg"
    assert records[["race", "insurance", "acquired_at"]].isna().all(axis=None)


def test_every_label_of_every_image_has_a_state(root):
    images = _read(root)
    assert len(images.labels) == 5 * 14
    states = _states(images, "patient00001_study1_view1_frontal")
    assert states[["no_finding", "cardiomegaly", "lung_opacity"]].tolist() == [
        "positive",
        "negative",
        "uncertain",
    ]
    assert (states == "unmentioned").sum() == 11


def test_a_root_one_level_above(root, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (above / "CheXpert-v1.0-small").symlink_to(root)
    path = _read(above).records["path"].iloc[0]
    assert path == "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
    (above / "CheXpert-v1.0").symlink_to(root)
    with pytest.raises(SourceError, match="one may be there|an image may be there once"):
        _read(above)


def test_a_compressed_list_without_the_first_folder(root):
    _list(root / "train.csv", TRAIN, "train", prefix="")
    (root / "train.csv.gz").write_bytes(gzip.compress((root / "train.csv").read_bytes()))
    (root / "train.csv").unlink()
    assert len(_read(root).records) == 5


def test_a_test_list_of_images_says_nothing_of_the_patients(root):
    rows = [["patient64741/study1/view1_frontal", "0", "1", "0", "0"]]
    _list(root / "test_labels.csv", rows, "test", ["Path", *LABELS])
    _images(root, rows, "test")
    tested = _read(root).records.iloc[-1]
    assert (tested["official_fold"], tested["view"], tested["sex"]) == (
        "test",
        "FRONTAL",
        "unknown",
    )


def test_a_test_list_of_studies_covers_their_images(root):
    lines = [f"CheXpert-v1.0/test/patient6474{i}/study1,{','.join(['0', '1'] * 7)}" for i in (1, 2)]
    (root / "groundtruth.csv").write_text("\n".join([",".join(["Study", *LABELS]), *lines]))
    places = ["patient64741/study1/view1_frontal", "patient64741/study1/view2_lateral"]
    _images(root, [[place] for place in places], "test")
    images = _read(root)
    tested = images.records[images.records["official_fold"] == "test"]
    assert sorted(tested["view"]) == ["FRONTAL", "LATERAL"]
    assert _states(images, tested["image_id"].iloc[0])["enlarged_cardiomediastinum"] == "positive"
    assert images.notes == {"test studies without an image file (studies)": 1}


def test_folders_as_azure_hands_them_out(root):
    (root / "train").rename(root / "CheXpert-v1.0 batch 2 (train 1)")
    assert _read(root).records["path"].iloc[0].startswith("CheXpert-v1.0 batch 2 (train 1)/pat")


def test_a_listed_image_without_a_file_is_absent(root):
    (root / "train/patient00001/study1/view2_lateral.jpg").unlink()
    images = _read(root)
    assert len(images.records) == 4
    assert len(images.labels) == 4 * 14
    assert images.absent.to_dict("records") == [
        {
            "image_id": "patient00001_study1_view2_lateral",
            "patient_id": "patient00001",
            "why": "no image file",
        }
    ]


def test_the_workbook_gives_races_and_what_the_lists_lack(root):
    people = [
        ["patient00001", "Male", 55, "White, non-Hispanic", "Non-Hispanic/Non-Latino"],
        ["patient00002", "Female", 40, "Other", "Hispanic/Latino"],
        ["patient64541", "Male", 73.0, "Patient Refused", "Unknown"],
        ["patient09999", "Male", 73.0, "Asian", None],
    ]
    _workbook(root / chexpert.WORKBOOK, people)
    images = _read(root)
    one = images.records.drop_duplicates("patient_id").set_index("patient_id")
    assert one["race"].fillna("-").tolist() == [
        "White, non-Hispanic",
        "Other | Hispanic/Latino",
        "-",
    ]
    assert one["sex"].tolist() == ["female", "female", "male"]
    assert one["age_years"].fillna(-1).tolist() == [68, -1, 73]  # of which of the two studies?
    assert images.notes == {
        "sex differs from the workbook's: the list's kept (patients)": 1,
        "age differs from the workbook's: the list's kept (patients)": 1,
        "sex taken from the workbook (patients)": 1,
        "in the workbook without an image (patients)": 1,
    }


def test_an_age_is_taken_from_the_workbook_where_there_is_one_study(root):
    rows = [["patient64541/study1/view1_frontal", "Unknown", "0", "Frontal", "AP", *[""] * 4]]
    _list(root / "valid.csv", rows, "valid")
    _workbook(root / chexpert.WORKBOOK, [["patient64541", "Male", "61", None, "HISPANIC"]])
    images = _read(root)
    last = images.records.iloc[-1]
    assert (last["age_years"], last["sex"], last["race"]) == (61, "male", "Hispanic/Latino")
    assert images.notes["age taken from the workbook (patients)"] == 1
    assert images.notes["no row in the workbook (patients)"] == 2


def test_a_patient_whose_workbook_rows_differ_is_unknown(root):
    rows = [["patient00002", "Male", 40, race, "Unknown"] for race in ("White", "White", "Asian")]
    _workbook(root / chexpert.WORKBOOK, rows)
    images = _read(root)
    assert images.records["race"].isna().all()
    assert set(images.records["sex"]) == {"female", "unknown", "male"}
    rule = "rows of the workbook contradict one another: unknown (patients)"
    assert images.notes[rule] == 1


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("PATIENT", "00001", "'00001'; allowed: patient00001 "),
        ("PATIENT", None, "'blank'; allowed: patient00001 "),
        ("GENDER", "F", "'F'; allowed: Female, Male, Unknown or blank"),
        ("AGE_AT_CXR", "old", "'old'; allowed: years or blank"),
        ("PRIMARY_RACE", "White\nBlack", "allowed: words on one line"),
    ],
)
def test_a_bad_cell_of_the_workbook_is_named(root, place, value, says):
    row = dict(zip(SHEET, ["patient00001", "Male", 55, "White", "Unknown"], strict=True))
    rows = [list(row.values()), list({**row, place: value}.values())]
    _workbook(root / chexpert.WORKBOOK, rows)
    with pytest.raises(SourceError) as caught:
        _read(root)
    assert f"{chexpert.WORKBOOK} row 3, column {place!r}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_workbook_that_is_none(root):
    path = root / chexpert.WORKBOOK
    _workbook(path, [], SHEET[:-1])
    with pytest.raises(SourceError, match=r"no column \['ETHNICITY'\]; has PATIENT, GENDER"):
        _read(root)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"cannot be read .* a whole \.xlsx is needed"):
        _read(root)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(place=st.integers(0, 5000), byte=st.integers(0, 255))
def test_a_damaged_workbook_is_read_or_refused_in_our_words(root, place, byte):
    path = root / chexpert.WORKBOOK
    _workbook(path, [["patient00001", "Male", 55, "White", "Unknown"]])
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    with contextlib.suppress(SourceError):
        assert len(_read(root).records) == 5


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("Path", "CheXpert-v1.0/train/../patient00001/study1/view1_frontal.jpg", "allowed: [CheX"),
        ("Path", "/data/train/patient00001/study1/view1_frontal.jpg", "allowed: [CheXpert-v1.0["),
        ("Path", "train\\patient00001\\study1\\view1_frontal.jpg", "allowed: [CheXpert-v1.0["),
        ("Path", "train/patient00001/patient00002/view1_frontal.jpg", "allowed: [CheXpert-v1.0["),
        (
            "Path",
            "valid/patient00009/study1/view1_frontal.jpg",
            "allowed: [CheXpert-v1.0[-small]/]",
        ),
        ("Path", "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg", "each value"),
        ("Path", "train/patient00001/study1/view1_frontal.jpg", "each image once, here again"),
        ("Sex", "F", "allowed: Female, Male, Unknown or blank"),
        ("Age", "-4", "allowed: whole years, 0 if unknown or blank"),
        ("AP/PA", "LATERAL", "allowed: AP, PA, LL, RL or blank"),
        ("Frontal/Lateral", "Lateral", "allowed: 'Frontal', as in the path (1 rows)"),
        ("Edema", "2", "allowed: 1, 0, -1 or blank"),
    ],
)
def test_a_bad_cell_names_file_row_column_and_what_is_allowed(root, column, value, says):
    lines = (root / "train.csv").read_text().splitlines()
    cells = dict(zip(HEADER, lines[3].split(","), strict=True)) | {column: value}
    (root / "train.csv").write_text("\n".join([*lines[:3], ",".join(cells.values()), *lines[4:]]))
    with pytest.raises(SourceError) as caught:
        _read(root)
    assert f"train.csv row 4, column {column!r}: {value!r}; " in str(caught.value)
    assert says in str(caught.value)


def test_a_patient_in_two_folds_is_refused(root):
    rows = [["patient00001/study3/view1_frontal", *VALID[0][1:]]]
    _list(root / "valid.csv", rows, "valid")
    with pytest.raises(SourceError, match=r"lists of train and validation; allowed: one \(1 pat"):
        _read(root)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(SourceError, match="no image file at all"):
        _read(tmp_path)
    _images(tmp_path, TRAIN, "train")
    with pytest.raises(SourceError, match=r"looked for train\.csv"):
        _read(tmp_path)
    _list(tmp_path / "train.csv", [["patient00009/study1/view1_frontal", *TRAIN[0][1:]]], "train")
    with pytest.raises(SourceError, match="none of 4 image files is in the lists"):
        _read(tmp_path)
    _list(tmp_path / "train.csv", TRAIN, "train", [*HEADER[:1], "Gender", *HEADER[2:]])
    with pytest.raises(SourceError, match=r"no column \['Sex'\]"):
        _read(tmp_path)
