import json

import pandas as pd
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from cxrfair import datasets, tables
from cxrfair.config import ConfigError
from cxrfair.datasets import SourceError

NEW = {
    "case": "cases.submitter_id",
    "sex": "demographic.gender",
    "stage": "diagnoses.ajcc_pathologic_stage",
    "race": "demographic.race",
    "ethnicity": "demographic.ethnicity",
    "age": "demographic.age_at_index",
    "born": "demographic.days_to_birth",
    "tumor": "diagnoses.classification_of_tumor",
}
OLD = {name: column.split(".")[-1] for name, column in NEW.items()} | {"case": "case_submitter_id"}
FIELDS = ("case", "sex", "stage", "race", "ethnicity", "age", "born", "tumor")
WHITE = ("white", "not hispanic or latino", "64", "-23689", "primary")
A, B, C, D = (f"TCGA-05-42{n}4" for n in range(4))
ROWS = [
    (A, "female", "Stage IB", *WHITE),
    (A, "female", "Stage IB", *WHITE),
    (A, "female", "'--", *WHITE),
    (B, "male", "Stage IIIA", "asian", "hispanic or latino", "'--", "-18262", "primary"),
    (B, "male", "Stage IA", "asian", "hispanic or latino", "'--", "-18262", "Prior primary"),
    (C, "male", "Stage IV", "not reported", "'--", "70", "'--", "primary"),
    (D, "--", "Stage IIA", *WHITE),
    (D, "'--", "Stage IIB", *WHITE),
]


def table(root, rows=ROWS, names=NEW, without=()):
    columns = [names[field] for field in FIELDS]
    frame = pd.DataFrame(rows, columns=columns).drop(columns=[names[field] for field in without])
    frame.insert(0, "project.project_id", "TCGA-LUAD")
    frame.to_csv(root / "clinical.tsv", sep="\t", index=False, lineterminator="\n")


def dicom(path, **tags):
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    for tag, value in tags.items():
        setattr(file, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


@pytest.fixture
def root(tmp_path):
    table(tmp_path)
    for n in (1, 2):
        dicom(tmp_path / f"TCGA-LUAD/{A}/01-01-2000-NA-CT CHEST-1/2.0-9/1-{n}.dcm", Modality="CT")
    dicom(tmp_path / f"{B}/study/1-1.dcm", Modality="DX", ViewPosition="PA")
    dicom(tmp_path / f"{C}/1-1.dcm", Modality="CR")
    dicom(tmp_path / f"{D}/study/series/1-1.dcm")
    return tmp_path


def read(root, options="{}"):
    given = datasets.read("tcga_luad", root, options)
    tables.RECORDS.check(given.records)
    tables.LABELS.check(given.labels)
    tables.ABSENT.check(given.absent)
    return given


def by_case(given, column):
    return given.records.drop_duplicates("patient_id").set_index("patient_id")[column]


def stages(given):
    rows = given.labels.merge(given.records[["image_id", "patient_id"]])
    return rows.drop_duplicates("patient_id").set_index("patient_id")["state"].to_dict()


@pytest.mark.parametrize("names", [NEW, OLD])
def test_rows_of_a_case_become_one(root, names):
    table(root, names=names)
    given = read(root)
    assert by_case(given, "sex").to_dict() == {A: "female", B: "male", C: "male", D: "unknown"}
    assert by_case(given, "age_years")[A] == 64
    assert by_case(given, "age_years")[B] == pytest.approx(50, abs=0.01)
    assert by_case(given, "race").to_dict() == {
        A: "white",
        B: "asian | hispanic or latino",
        C: "not reported",
        D: "white",
    }
    assert stages(given) == {A: "negative", B: "positive", C: "unmentioned", D: "unmentioned"}
    assert given.notes == {
        "case whose rows disagree in stage: unknown": 1,
        "case with a stage in neither list: unmentioned": 1,
        "case without a stage: unmentioned": 1,
        "stage of another tumour than the primary: not used": 1,
    }


def test_which_stages_are_late_is_a_setting(root):
    options = {"early": ["Stage IB"], "late": ["Stage IV"]}
    assert stages(read(root, json.dumps(options))) == {
        A: "negative",
        B: "unmentioned",
        C: "positive",
        D: "unmentioned",
    }
    with pytest.raises(ConfigError, match="a stage is early or late"):
        read(root, '{"early": ["Stage I"], "late": ["Stage I"]}')


def test_images_are_known_by_their_folders_and_headers(root):
    records = read(root).records.set_index("path")
    slice_ = records.loc[f"TCGA-LUAD/{A}/01-01-2000-NA-CT CHEST-1/2.0-9/1-2.dcm"]
    assert slice_["image_id"] == f"TCGA-LUAD/{A}/01-01-2000-NA-CT CHEST-1/2.0-9/1-2"
    assert slice_["study_id"] == f"TCGA-LUAD/{A}/01-01-2000-NA-CT CHEST-1"
    assert slice_["patient_id"] == A
    assert records["study_id"][f"{C}/1-1.dcm"] == C
    views = records.drop_duplicates("patient_id").set_index("patient_id")["view"]
    assert views.drop(D).to_dict() == {A: "CT", B: "PA", C: "CR"}
    assert pd.isna(views[D])


def test_what_cannot_be_used_is_absent(root):
    dicom(root / "elsewhere/1-1.dcm", Modality="CT")
    dicom(root / "TCGA-99-9999/1-1.dcm", Modality="CT")
    (root / f"{B}/study/1-1.dcm").write_bytes(b"")
    given = read(root)
    assert given.absent.set_index("image_id")["why"].to_dict() == {
        "elsewhere/1-1": "no case in its path",
        "TCGA-99-9999/1-1": "no clinical row",
        f"{B}/study/1-1": "not a DICOM file",
    }


def test_columns_that_are_not_needed_may_be_missing(root):
    table(root, without=("race", "ethnicity", "age", "born", "tumor"))
    given = read(root)
    assert given.records["race"].isna().all()
    assert given.records["age_years"].isna().all()
    assert given.notes["case whose rows disagree in stage: unknown"] == 2


@pytest.mark.parametrize("lacking", ["case", "sex", "stage"])
def test_needed_columns_are_named(root, lacking):
    table(root, without=(lacking,))
    with pytest.raises(SourceError, match=f"no column .*{NEW[lacking]}"):
        read(root)


def test_damage_is_named_by_row(root):
    path = root / "clinical.tsv"
    whole = path.read_text()
    path.write_text(whole + "TCGA-LUAD\tx\n")
    with pytest.raises(SourceError, match="row 10: 2 cells; the header has 9"):
        read(root)
    path.write_text(whole.replace(C, "../../etc"))
    with pytest.raises(SourceError, match="row 7, column of the case: no case of TCGA"):
        read(root)
    path.write_bytes(b"\xff\xfe\x00 nonsense")
    with pytest.raises(SourceError, match=r"clinical\.tsv: cannot be read"):
        read(root)


def test_two_tables_or_no_image_are_errors(root, tmp_path_factory):
    (root / "old").mkdir()
    (root / "old/clinical.tsv").write_text("x")
    with pytest.raises(SourceError, match=r"2 files clinical\.tsv"):
        read(root)
    bare = tmp_path_factory.mktemp("bare")
    table(bare)
    with pytest.raises(SourceError, match="no image file at all"):
        read(bare)


def test_the_real_table(shared_data, tmp_path):
    source = shared_data / "tcga_luad" / "clinical.tsv"
    (tmp_path / "clinical.tsv").write_bytes(source.read_bytes())
    cases = sorted(set(pd.read_csv(source, sep="\t", dtype="str")["cases.submitter_id"]))
    assert len(cases) == 585
    for case in cases:
        dicom(tmp_path / f"{case}/study/series/1-1.dcm", Modality="CT")
    given = read(tmp_path)
    assert len(given.records) == 585
    assert given.labels["state"].value_counts().to_dict() == {
        "negative": 397,
        "positive": 85,
        "unmentioned": 103,
    }
    assert given.notes == {
        "case with a stage in neither list: unmentioned": 32,
        "case without a stage: unmentioned": 71,
        "stage of another tumour than the primary: not used": 47,
    }
    assert given.records["sex"].value_counts().to_dict() == {
        "female": 280,
        "male": 242,
        "unknown": 63,
    }
    assert given.records["age_years"].between(33, 88).sum() == 503
