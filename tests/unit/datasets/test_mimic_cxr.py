import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import datasets, tables
from cxrfair.config import ConfigError
from cxrfair.datasets import SourceError, mimic_cxr

LABELS = list(mimic_cxr.LABELS)
DICOMS = [f"{i:08x}-00000000-00000000-00000000-0000000{i}" for i in range(1, 5)]
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,"
    "StudyDate,StudyTime"
)


def _metadata(view="AP", date="21800506", time="213014.531", study="50000001"):
    return [
        f"{DICOMS[0]},10000032,{study},CHEST,{view},3056,2544,{date},{time}",
        f"{DICOMS[1]},10000032,50000001,CHEST,LATERAL,3056,2544,21800506,213014.531",
        f"{DICOMS[2]},10000033,50000002,CHEST,,3056,2544,21800626,5.0",
        f"{DICOMS[3]},10000033,50000003,CHEST,PA,3056,2544,21800626,93000",
    ]


def _chexpert(value="", subject="10000033"):
    return [
        f"10000032,50000001,{','.join(['1.0', '0.0', '-1.0', *[''] * 11])}",
        f"{subject},50000002,{','.join([value, *['0'] * 13])}",
    ]


def _write(root, metadata, chexpert, version="2.0.0"):
    lines = {
        "metadata": [METADATA, *metadata],
        "chexpert": [f"subject_id,study_id,{','.join(LABELS)}", *chexpert],
    }
    for name, text in lines.items():
        path = root / f"mimic-cxr-{version}-{name}.csv.gz"
        path.write_bytes(gzip.compress("\n".join([*text, ""]).encode()))
    for row in _metadata():
        dicom, subject, study = row.split(",")[:3]
        folder = root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{dicom}.jpg").touch()


def _read(root, settings="{}"):
    images = datasets.read("mimic_cxr", root, settings)
    tables.RECORDS.check(images.records)
    tables.LABELS.check(images.labels)
    return images


def test_records_labels_and_what_is_absent(tmp_path):
    _write(tmp_path, _metadata(), _chexpert())
    images = _read(tmp_path)
    records = images.records
    assert records["path"].iloc[0] == f"files/p10/p10000032/s50000001/{DICOMS[0]}.jpg"
    assert records["view"].fillna("-").tolist() == ["AP", "LATERAL", "-"]
    assert records["acquired_at"].tolist() == [
        pd.Timestamp("2180-05-06 21:30:14"),
        pd.Timestamp("2180-05-06 21:30:14"),
        pd.Timestamp("2180-06-26 00:00:05"),
    ]
    assert set(records["sex"]) == {"unknown"}
    assert images.absent.to_dict("records") == [
        {"image_id": DICOMS[3], "patient_id": "10000033", "why": "no labels"}
    ]
    states = images.labels.set_index(["image_id", "label"])["state"]
    first = [states[DICOMS[1], mimic_cxr.LABELS[name]] for name in LABELS[:4]]
    assert first == ["positive", "negative", "uncertain", "unmentioned"]
    assert len(states) == 3 * 14


def test_a_label_that_is_blank_everywhere_is_unmentioned(tmp_path):
    _write(tmp_path, _metadata(), [f"10000032,50000001,{',' * 13}"])
    assert set(_read(tmp_path).labels["state"]) == {"unmentioned"}


def test_a_missing_file_is_absent(tmp_path):
    _write(tmp_path, _metadata(), _chexpert())
    next(tmp_path.rglob(f"{DICOMS[0]}.jpg")).unlink()
    assert _read(tmp_path).absent["why"].tolist() == ["no image file", "no labels"]


def test_the_official_split(tmp_path):
    _write(tmp_path, _metadata(), _chexpert())
    assert _read(tmp_path).records["official_fold"].isna().all()
    rows = [f"{DICOMS[0]},1,1,train", f"{DICOMS[1]},1,1,validate", f"{DICOMS[2]},1,1,test"]
    path = tmp_path / "mimic-cxr-2.0.0-split.csv"
    path.write_text("\n".join(["dicom_id,study_id,subject_id,split", *rows, ""]))
    assert _read(tmp_path).records["official_fold"].tolist() == ["train", "validation", "test"]
    path.write_text(path.read_text().replace("validate", "valid"))
    with pytest.raises(
        SourceError, match="row 3, column 'split': 'valid'; allowed: train, validate"
    ):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("bad", "column", "value", "says"),
    [
        ({"view": "FRONTAL"}, "ViewPosition", "FRONTAL", "allowed: AP, PA, LATERAL"),
        ({"date": "21801306"}, "StudyDate", "21801306", "allowed: a date YYYYMMDD"),
        ({"date": "21801306.0"}, "StudyDate", "21801306.0", "allowed: a date YYYYMMDD"),
        ({"date": "21800506.5"}, "StudyDate", "21800506.5", "allowed: a date YYYYMMDD"),
        ({"date": "2.18e7"}, "StudyDate", "2.18e7", "allowed: a date YYYYMMDD"),
        ({"date": "2180-05-06"}, "StudyDate", "2180-05-06", "allowed: a date YYYYMMDD"),
        ({"study": "../50000"}, "study_id", "../50000", "allowed: 8 digits"),
        ({"time": "250000"}, "StudyTime", "250000", "allowed: a time HHMMSS"),
        ({"time": "6500.0"}, "StudyTime", "6500.0", "allowed: a time HHMMSS"),
        ({"study": "s5000001"}, "study_id", "s5000001", "allowed: 8 digits"),
    ],
)
def test_bad_metadata_is_named(tmp_path, bad, column, value, says):
    _write(tmp_path, _metadata(**bad), _chexpert())
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert f"metadata.csv.gz row 2, column '{column}': '{value}'; {says}" in str(caught.value)


@pytest.mark.parametrize("value", ["2.0", "0.5", "-2", "yes", "nan"])
def test_a_label_outside_1_0_minus_1_and_blank_is_named(tmp_path, value):
    _write(tmp_path, _metadata(), _chexpert(value))
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    where = f"chexpert.csv.gz row 3, column 'Atelectasis': '{value}'"
    assert f"{where}; allowed: 1, 0, -1 or blank (1 rows)" in str(caught.value)


def test_a_study_of_another_patient_is_named(tmp_path):
    _write(tmp_path, _metadata(), _chexpert(subject="10000099"))
    with pytest.raises(
        SourceError, match="row 3, column 'subject_id': '10000099'; allowed: '10000033'"
    ):
        _read(tmp_path)


def test_a_duplicated_image_is_named(tmp_path):
    _write(tmp_path, [*_metadata(), _metadata()[0]], _chexpert())
    with pytest.raises(
        SourceError, match="row 6, column 'dicom_id': .*each value once.*after row 2"
    ):
        _read(tmp_path)


def test_two_versions_side_by_side_are_refused(tmp_path):
    _write(tmp_path, _metadata(), _chexpert())
    _write(tmp_path, _metadata(), _chexpert(), version="2.1.0")
    with pytest.raises(SourceError, match="keep one version of the metadata table"):
        _read(tmp_path)


def test_no_labels_at_all_is_an_error(tmp_path):
    _write(tmp_path, _metadata(), [])
    with pytest.raises(SourceError, match="no image has a row, a file and labels"):
        _read(tmp_path)


def test_dates_that_went_through_a_float_are_read_and_counted(tmp_path):
    _write(tmp_path, _metadata(date="21800506.0"), _chexpert())
    images = _read(tmp_path)
    assert images.records["acquired_at"].iloc[0] == pd.Timestamp("2180-05-06 21:30:14")
    assert images.notes == {mimic_cxr.FLOATS: 1}


@given(st.datetimes(pd.Timestamp("2100-01-01"), pd.Timestamp("2210-12-31")), st.booleans())
def test_dates_and_times_survive_floats(at, floated):
    at = pd.Timestamp(at).floor("s")
    date = f"{at:%Y%m%d}" + (".0" if floated else "")
    clock = str(float(f"{at:%H%M%S}.25")) if floated else f"{at:%H%M%S}"
    with TemporaryDirectory() as folder:
        _write(Path(folder), _metadata(date=date, time=clock), _chexpert())
        assert _read(Path(folder)).records["acquired_at"].iloc[0] == at


def _table_of(root, name, lines, header):
    text = "\n".join([",".join(header), *lines, ""])
    (root / f"mimic-cxr-{name}.csv").write_text(text)


def _of(images, label):
    states = images.labels.set_index(["label", "image_id"])["state"]
    return states[label].loc[DICOMS[:3]].tolist()


def test_the_labels_of_the_other_labeller(tmp_path):
    _write(tmp_path, _metadata(), _chexpert("0"))
    with pytest.raises(SourceError, match=r"looked for mimic-cxr-2\.0\.0-negbio\.csv"):
        _read(tmp_path, '{"labels": "negbio"}')
    rows = [f"10000032,50000001,-1{',' * 13}", f"10000033,50000002,1{',' * 13}"]
    _table_of(tmp_path, "2.0.0-negbio", rows, ["subject_id", "study_id", *LABELS])
    assert _of(_read(tmp_path), "atelectasis") == ["positive", "positive", "negative"]
    images = _read(tmp_path, '{"labels": "negbio"}')
    assert _of(images, "atelectasis") == ["uncertain", "uncertain", "positive"]
    assert images.notes == {}


@pytest.mark.parametrize("spelt", ["Airspace Opacity", "Lung Opacity"])
def test_an_experts_labels_count_where_there_are_any(tmp_path, spelt):
    _write(tmp_path, _metadata(), _chexpert("1"))
    header = ["study_id", *(spelt if name == "Lung Opacity" else name for name in LABELS)]
    rows = [f"50000002,0{',0' * 6},1{',' * 6}", f"59999999{',0' * 14}"]
    _table_of(tmp_path, "2.1.0-test-set-labeled", rows, header)
    images = _read(tmp_path, '{"labels": "expert_on_test"}')
    assert _of(images, "atelectasis") == ["positive", "positive", "negative"]
    assert _of(images, "lung_opacity") == ["unmentioned", "unmentioned", "positive"]
    assert _of(images, "pneumothorax")[2] == "unmentioned"
    assert len(images.labels) == 3 * 14
    assert images.notes == {mimic_cxr.EXPERT: 1}
    assert _of(_read(tmp_path), "atelectasis")[2] == "positive"


def test_an_expert_is_asked_for_by_name(tmp_path):
    _write(tmp_path, _metadata(), _chexpert())
    with pytest.raises(SourceError, match="test-set-labeled"):
        _read(tmp_path, '{"labels": "expert_on_test"}')
    with pytest.raises(ConfigError, match=r"data\.mimic_cxr\.options\.labels"):
        _read(tmp_path, '{"labels": "radiologist"}')
