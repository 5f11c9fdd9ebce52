from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cxrfair.datasets import _dicom

TAGS = ("PatientSex", "PatientAge", "Modality")


def content(syntax=ExplicitVRLittleEndian, **tags):
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.SOPClassUID, file.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    for tag, value in tags.items():
        setattr(file, tag, value)
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


WHOLE = content(PatientSex="F", PatientAge="", Modality="DX", PatientComments="x" * 50)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("headers")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_tags_are_text_and_empty_ones_are_missing(tmp_path, syntax):
    (tmp_path / "a.dcm").write_bytes(content(syntax, PatientSex="F", PatientAge="", Modality="DX"))
    (tmp_path / "b.dcm").write_bytes(content(syntax, PatientAge="045Y"))
    found = _dicom.headers(tmp_path, ["b.dcm", "a.dcm"], TAGS)
    assert found.fillna("-").to_numpy().tolist() == [["-", "045Y", "-", "-"], ["F", "-", "DX", "-"]]


def test_no_paths_give_no_rows(tmp_path):
    found = _dicom.headers(tmp_path, [], TAGS)
    assert found.shape == (0, 4)


@pytest.mark.filterwarnings("ignore:::pydicom")
@given(data=st.data())
def test_damage_is_a_reason_and_no_error(place, data):
    damaged = bytearray(WHOLE)
    spot = st.integers(128, len(WHOLE) - 1)
    for at, value in data.draw(st.lists(st.tuples(spot, st.integers(0, 255)), max_size=5)):
        damaged[at] = value
    end = data.draw(st.one_of(st.just(len(WHOLE)), st.integers(0, len(WHOLE))))
    (place / "a.dcm").write_bytes(damaged[:end])
    why = _dicom.headers(place, ["a.dcm"], TAGS)[_dicom.WHY]
    assert why.isna().all() or why.isin([_dicom.DAMAGED, _dicom.NOT_DICOM]).all()
