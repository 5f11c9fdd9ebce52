import json

import pytest

from cxrfair import datasets, tables
from cxrfair.datasets import SourceError

NODULES = (
    "JPCLN001.IMG\t5\t15\t53\tmale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\t\n"
    "JPCLN002.IMG\t5\t30\t78\tfemale\t1614\t1090\tbenign\tl.upper lobe(S5)\tpulmonary h\xe6matoma\n"
    "\n"
    "JPCLN003.IMG\t3\t?\t?\tFemale\t1303\t447\tmalignant\tl.upper lobe(S1+2)\tlung cancer\n"
)
NORMALS = "JPCNN001.IMG\t61\tfemale\tnon-nodule\r\nJPCNN002.IMG\t40\t?\r\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "CLNDAT_EN.txt").write_text(NODULES, encoding="latin-1")
    (tmp_path / "CNNDAT_EN.txt").write_text(NORMALS, encoding="latin-1", newline="")
    for name in ("JPCLN001", "JPCLN002", "JPCLN003", "JPCNN001"):
        (tmp_path / f"{name}.IMG").write_bytes(b"")
    return tmp_path


def read(root):
    given = datasets.read("jsrt", root, "{}")
    tables.RECORDS.check(given.records)
    tables.LABELS.check(given.labels)
    tables.ANNOTATIONS.check(given.annotations)
    tables.ABSENT.check(given.absent)
    return given


def test_both_tables_are_read(root):
    given = read(root)
    records = given.records.set_index("image_id")
    assert records["sex"].tolist() == ["male", "female", "female", "female"]
    assert records["age_years"].fillna(-1).tolist() == [53, 78, -1, 61]
    assert records["path"]["JPCNN001"] == "JPCNN001.IMG"
    assert set(records["view"]) == {"PA"}
    states = given.labels.set_index("image_id")["state"]
    assert states.to_dict() == {
        "JPCLN001": "positive",
        "JPCLN002": "positive",
        "JPCLN003": "positive",
        "JPCNN001": "negative",
    }
    assert given.absent["image_id"].tolist() == ["JPCNN002"]


def test_nodules_are_circles_in_original_pixels(root):
    given = read(root)
    circles = given.annotations.set_index("image_id")["geometry"].map(json.loads)
    assert circles["JPCLN001"] == [1634, 692, pytest.approx(15 / 0.175 / 2), 2048, 2048]
    assert set(circles.index) == {"JPCLN001", "JPCLN002"}
    assert given.notes == {"nodule without position or size: not marked": 1}


def test_tables_and_images_may_lie_in_folders_as_unpacked(root):
    for folder in ("Clinical_Information", "Nodule154images"):
        (root / folder).mkdir()
    for path in root.glob("*.IMG"):
        path.rename(root / "Nodule154images" / path.name)
    (root / "CLNDAT_EN.txt").rename(root / "Clinical_Information/CLNDAT_EN.txt")
    (root / "CNNDAT_EN.txt").rename(root / "Clinical_Information/CNNDAT_EN.TXT")
    assert len(read(root).records) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("JPCLN001.IMG\t5\t15\n", r"CLNDAT_EN\.txt row 1: 3 cells"),
        (NODULES + "../x.IMG\t5\t1\t1\tmale\t1\t1\n", r"row 5: .*allowed: JPCLN001\.IMG"),
        (NODULES + NODULES, "'JPCLN001' is listed twice"),
        ("JPCLN001.IMG\0\t5", "zero bytes"),
    ],
)
def test_a_bad_table_is_refused(root, text, says):
    (root / "CLNDAT_EN.txt").write_text(text, encoding="latin-1")
    with pytest.raises(SourceError, match=says):
        read(root)


def test_a_cell_that_is_no_number_is_unknown_and_counted(root):
    (root / "CNNDAT_EN.txt").write_text("JPCNN001.IMG\tsixty\tmale\n")
    given = read(root)
    assert given.records.set_index("image_id")["age_years"].isna()["JPCNN001"]
    assert given.notes["cell that is no number: unknown"] == 1


def test_no_image_of_the_tables_is_an_error(root):
    for path in root.glob("*.IMG"):
        path.unlink()
    (root / "JPCLN099.IMG").write_bytes(b"")
    with pytest.raises(SourceError, match="none of 1 image files is in the tables"):
        read(root)
