import gdcm
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CHEST = "1.2.840.10008.5.1.4.1.1.1.1"  # digital X-ray, for presentation


@pytest.fixture(scope="session")
def make_dicom():
    """Return a maker of grey DICOM data sets from stored values."""

    def make(values, photometric="MONOCHROME2", bits=None, **tags):
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.SOPClassUID, file.SOPInstanceUID = CHEST, "1.2.3"
        depth = values.dtype.itemsize * 8
        file.Rows, file.Columns = values.shape[-2:]
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, photometric
        file.BitsAllocated, file.BitsStored = depth, bits or depth
        file.HighBit = file.BitsStored - 1
        file.PixelRepresentation = int(np.issubdtype(values.dtype, np.signedinteger))
        file.PixelData = values.tobytes()
        file["PixelData"].VR = "OW" if depth == 16 else "OB"
        for tag, value in tags.items():
            setattr(file, tag, value)
        return file

    return make


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes a DICOM data set and gives its path."""

    def save(file, name="a.dicom"):
        file.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return save


@pytest.fixture
def transcoded(tmp_path, make_dicom, saved):
    """Return a function that writes values in a compression that only gdcm can write."""

    def write(values, syntax, **tags):
        plain = saved(make_dicom(values, bits=12, **tags), "plain.dcm")
        reader, change = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(tmp_path / "squeezed.dcm"))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return tmp_path / "squeezed.dcm"

    return write
