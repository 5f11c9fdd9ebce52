"""DICOM bytes to grey, by the file's own window where it has one."""

import sys
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, config, dcmread
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from cxrfair.images import apart, codestream, voi
from cxrfair.images.shades import Grey, Values, used_range
from cxrfair.images.unreadable import (
    DAMAGE,
    DAMAGED,
    SEVERAL,
    UnreadableImageError,
    refuse_huge,
)

PREAMBLE = 128  # bytes before the mark
MAGIC = b"DICM"
WITHOUT_PIXELS = "a DICOM without pixels"
GREY = ("MONOCHROME1", "MONOCHROME2")
BITS = (8, 16)  # a pixel may take
GDCM = "gdcm"
# The one decoder of each compression. pydicom's way, one after the other until one succeeds, ends
# the process on some damaged files: gdcm aborts where others raise.
DECODERS = {
    RLELossless: "pydicom",
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg"),
    **dict.fromkeys((JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), GDCM),
    **dict.fromkeys(JPEGLSTransferSyntaxes, GDCM),
}


def read(data: bytes) -> Grey:
    """Read the one grey picture of a DICOM file.

    Stored values go through the modality's table or slope and intercept, then through the first VOI
    table or window (linear, linear exact or sigmoid; PS3.3 C.11.2), whose ends become black and
    white. Where there is none, or one that no pixel lies in, black and white are the values
    that 0.1 per cent of the pixels lie below and above. MONOCHROME1 is inverted last. Presentation
    states, overlays and padding values are not looked at.

    Raises
    ------
    UnreadableImageError
        Without pixels, with several pictures, in colour, deflated, huge or damaged. Sizes are
        checked before anything is decoded, also those inside compressed pixels.
    """
    config.settings.reading_validation_mode = config.IGNORE  # pixels matter, not odd dates
    try:
        _refuse_deflated(data)
        header = dcmread(BytesIO(data))
        _refuse(header)
        return _grey(_values(data, header), header)
    except (*DAMAGE, BytesLengthException, InvalidDicomError):
        raise UnreadableImageError(DAMAGED) from None


def _refuse_deflated(data: bytes) -> None:
    """Stop where the header itself is compressed: it could inflate to any size."""
    start = BytesIO(data)
    start.seek(PREAMBLE + len(MAGIC))
    meta = read_dataset(
        start, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group > 2
    )
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise UnreadableImageError("a deflated DICOM")


def _refuse(header: Dataset) -> None:
    """Stop at what is not one grey picture of a sane size."""
    if not header.get("PixelData"):
        raise UnreadableImageError(WITHOUT_PIXELS)
    if int(header.get("NumberOfFrames") or 1) != 1:
        raise UnreadableImageError(SEVERAL)
    if header.PhotometricInterpretation not in GREY or header.SamplesPerPixel != 1:
        raise UnreadableImageError("a DICOM in colour")
    if header.BitsAllocated not in BITS:
        raise UnreadableImageError("a DICOM of neither 8 nor 16 bits")
    refuse_huge(header.Columns, header.Rows)
    syntax = header.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        if syntax not in DECODERS:
            raise UnreadableImageError("a DICOM of an unknown compression")
        _refuse_other(get_frame(header.PixelData, 0, number_of_frames=1), header)


def _refuse_other(frame: bytes, header: Dataset) -> None:
    """Stop where compressed pixels are not what the header says: decoders trust their own."""
    inside = codestream.frame(frame)
    told = (header.Columns, header.Rows, 1)
    if inside and (
        (inside.width, inside.height, inside.channels) != told or inside.bits > header.BitsAllocated
    ):
        raise UnreadableImageError(DAMAGED)


def _values(data: bytes, header: Dataset) -> Values:
    """Decode the stored values by the one decoder of their compression."""
    plugin = DECODERS.get(header.file_meta.TransferSyntaxUID)
    if plugin == GDCM:
        return apart.values(data, plugin)
    if plugin:
        header.pixel_array_options(decoding_plugin=plugin)
    values: Values = header.pixel_array
    return values


def _grey(values: Values, header: Dataset) -> Grey:
    """Look every pixel up in a table of what each stored value is shown as."""
    if values.ndim != 2:
        raise UnreadableImageError(DAMAGED)
    low, high = int(values.min()), int(values.max())
    with np.errstate(all="ignore"):  # a slope may be anything; what is no number becomes black
        meant = voi.meant(np.arange(low, high + 1), header)
        shown = voi.shown(meant, header)
        if shown is None:
            dark, bright = sorted(meant[value - low] for value in used_range(values))
            shown = (meant - dark) / max(bright - dark, sys.float_info.min)
        shown = np.clip(np.nan_to_num(shown), 0, 1)
    if header.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    table: Any = (shown * 255 + 0.5).astype(np.uint8)
    grey: Grey = table[values.astype(np.int32) - low]
    return grey
