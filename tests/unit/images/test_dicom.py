import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from cxrfair.images.decode import UnreadableImageError, decode

SIZE = 32
TWELVE = (np.arange(SIZE * SIZE, dtype=np.uint16) * 4).reshape(SIZE, SIZE)  # 0 to 4092
WHOLE = {"WindowCenter": "2048", "WindowWidth": "4096"}


def pixels(path):
    return decode(path, SIZE)[0]


def refused(path, reason):
    with pytest.raises(UnreadableImageError) as caught:
        decode(path, SIZE)
    assert str(caught.value) == reason


def table(entries, first, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], list(entries)
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    return Sequence([item])


def test_a_window_over_all_values_shares_out_the_grey_evenly(make_dicom, saved):
    shown = pixels(saved(make_dicom(TWELVE, bits=12, **WHOLE)))
    np.testing.assert_array_equal(shown, np.floor(TWELVE.astype(float) * 255 / 4095 + 0.5))


def test_monochrome1_is_inverted(make_dicom, saved):
    plain = pixels(saved(make_dicom(TWELVE, bits=12, **WHOLE)))
    turned = pixels(saved(make_dicom(TWELVE, "MONOCHROME1", bits=12, **WHOLE)))
    assert np.abs(255 - turned.astype(int) - plain).max() <= 1
    assert turned[0, 0] == 255


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("window", [("1500", "1000"), ("300.5", "801"), ("4000", "300")])
def test_windows_are_pydicoms(make_dicom, saved, window, function):
    tags = {"VOILUTFunction": function} if function else {}
    file = make_dicom(TWELVE, bits=12, WindowCenter=window[0], WindowWidth=window[1], **tags)
    expected = apply_windowing(TWELVE, file) * (255 / 4095)
    assert np.abs(pixels(saved(file)) - expected).max() <= 0.51


def test_slope_and_intercept_come_before_the_window(make_dicom, saved):
    values = (TWELVE.astype(np.int16) - 1000) // 2
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-24", "WindowCenter": "-40"}
    file = make_dicom(values, WindowWidth="400", **tags)
    meant = values * 2.0 - 24
    expected = np.clip((meant + 40.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(pixels(saved(file)) - expected).max() <= 0.51


def test_a_table_comes_before_a_window(make_dicom, saved):
    entries = (np.sqrt(np.arange(4000) / 4000) * 1023).astype(int)
    file = make_dicom(TWELVE, bits=12, VOILUTSequence=table(entries, 50, 10), **WHOLE)
    expected = apply_voi(TWELVE, file) * (255 / 1023)
    assert np.abs(pixels(saved(file)) - expected).max() <= 0.51


def test_a_modality_table_comes_first(make_dicom, saved):
    entries = 4095 - np.arange(4096)
    tags = {"ModalityLUTSequence": table(entries, 0, 16), **WHOLE}
    file = make_dicom(TWELVE, bits=12, **tags)
    expected = apply_modality_lut(TWELVE, file) * (255 / 4095)
    assert np.abs(pixels(saved(file)) - expected).max() <= 0.51


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"WindowCenter": "100000", "WindowWidth": "10"},  # no pixel lies in it
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": "2000", "WindowWidth": "0"},
        {"WindowCenter": "2000"},
    ],
)
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint8])
def test_without_a_window_that_fits_the_pixels_own_range_counts(make_dicom, saved, kind, tags):
    values = (np.arange(1024).reshape(32, 32) // 8 + 40).astype(kind)
    if kind == np.int16:
        values -= 100
    shown = pixels(saved(make_dicom(values, **tags)))
    assert (shown.min(), shown.max()) == (0, 255)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


def test_a_few_odd_pixels_do_not_darken_the_rest(make_dicom, saved):
    values = np.tile(np.arange(1000, 1256, dtype=np.uint16), (256, 1))
    values[0, :20] = 65535
    shown = decode(saved(make_dicom(values)), 256)[0]
    assert shown[100, 128] == pytest.approx(128, abs=2)


def test_of_several_windows_the_first_counts(make_dicom, saved):
    one = pixels(saved(make_dicom(TWELVE, bits=12, WindowCenter="1000", WindowWidth="500")))
    tags = {"WindowCenter": ["1000", "3000"], "WindowWidth": ["500", "200"]}
    both = pixels(saved(make_dicom(TWELVE, bits=12, **tags)))
    np.testing.assert_array_equal(one, both)


def test_a_constant_picture_is_blank(make_dicom, saved):
    flat = np.full((SIZE, SIZE), 700, np.uint16)
    refused(saved(make_dicom(flat)), "blank: all pixels alike")


def test_fourteen_and_sixteen_bits(make_dicom, saved):
    for bits in (14, 16):
        values = (np.arange(1024, dtype=np.uint32) * (2**bits - 1) // 1023).astype(np.uint16)
        half = str(2 ** (bits - 1))
        tags = {"WindowCenter": half, "WindowWidth": str(2**bits)}
        shown = pixels(saved(make_dicom(values.reshape(32, 32), bits=bits, **tags)))
        expected = np.arange(1024).reshape(32, 32) * 255 / 1023
        assert np.abs(shown - expected).max() <= 0.6


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_compression_changes_nothing(make_dicom, saved, syntax):
    values = np.tile(np.arange(64, dtype=np.uint16) * 60, (64, 1))
    plain, squeezed = make_dicom(values, bits=12, **WHOLE), make_dicom(values, bits=12, **WHOLE)
    squeezed.compress(syntax)
    expected = decode(saved(plain, "plain.dcm"), 64)[0]
    np.testing.assert_array_equal(decode(saved(squeezed, "squeezed.dcm"), 64)[0], expected)


def _jpeg(file, image, tmp_path):
    image.save(tmp_path / "frame.jpg", quality=95)
    file.PixelData = encapsulate([(tmp_path / "frame.jpg").read_bytes()])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return file


def test_jpeg_inside_is_read(make_dicom, saved, tmp_path):
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    file = _jpeg(make_dicom(ramp), Image.fromarray(ramp), tmp_path)
    file.WindowCenter, file.WindowWidth = "128", "256"
    assert np.abs(decode(saved(file), 64)[0].astype(int) - ramp).max() <= 3


def test_jpeg_inside_of_another_size_is_refused(make_dicom, saved, tmp_path):
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    file = _jpeg(make_dicom(ramp), Image.fromarray(np.zeros((64, 640), np.uint8)), tmp_path)
    refused(saved(file), "truncated or damaged")


def test_what_is_no_single_grey_picture_is_refused(make_dicom, saved):
    def without(tag):
        file = make_dicom(TWELVE, bits=12)
        delattr(file, tag)
        return file

    colour = make_dicom(np.zeros((SIZE, SIZE), np.uint8), "RGB")
    wide = make_dicom(TWELVE)
    wide.BitsAllocated = 32
    cases = {
        "a DICOM without pixels": without("PixelData"),
        "more than one picture in the file": make_dicom(TWELVE, NumberOfFrames=3),
        "a DICOM in colour": colour,
        "a DICOM of neither 8 nor 16 bits": wide,
        "truncated or damaged": without("Rows"),
    }
    for reason, file in cases.items():
        refused(saved(file), reason)


def test_an_empty_pixel_element_is_no_picture(make_dicom, saved):
    file = make_dicom(TWELVE)
    file.PixelData = b""
    refused(saved(file), "a DICOM without pixels")


def test_a_huge_picture_is_refused_before_decoding(make_dicom, saved):
    file = make_dicom(TWELVE)
    file.Rows = file.Columns = 60_000
    refused(saved(file), "more pixels than any X-ray has")


def test_a_deflated_file_is_refused_unread(make_dicom, saved):
    file = make_dicom(TWELVE)
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    refused(saved(file), "a deflated DICOM")


def test_a_truncated_file_is_damaged(make_dicom, saved):
    path = saved(make_dicom(TWELVE))
    path.write_bytes(path.read_bytes()[:-50])
    refused(path, "truncated or damaged")


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": "1e300", "RescaleIntercept": "1e308"},
        {"RescaleSlope": "-1", "RescaleIntercept": "0"},
    ],
)
def test_no_slope_is_too_odd(make_dicom, saved, tags):
    assert pixels(saved(make_dicom(TWELVE, **tags))).shape == (SIZE, SIZE)


def test_a_slope_of_zero_leaves_nothing_to_see(make_dicom, saved):
    tags = {"RescaleSlope": "0", "RescaleIntercept": "0"}
    refused(saved(make_dicom(TWELVE, **tags)), "blank: all pixels alike")


def test_a_table_that_is_none_is_damage(make_dicom, saved):
    tags = {"VOILUTSequence": table([1, 2, 3], 0, 0)}
    refused(saved(make_dicom(TWELVE, **tags)), "truncated or damaged")


def test_a_video_is_refused(make_dicom, saved):
    file = make_dicom(TWELVE)
    file.PixelData = encapsulate([b"\0" * 20])
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    refused(saved(file), "a DICOM of an unknown compression")
