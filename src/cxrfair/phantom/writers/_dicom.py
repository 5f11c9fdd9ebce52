"""DICOM files: a grey picture in the values of a detector, the same bytes every time.

Identifiers follow from the seed and the image; there are no dates and no names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from io import BytesIO

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from cxrfair.phantom import noise
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes

ROOT = "2.25"  # of identifiers that are a number and need no registration
KINDS = {
    "CR": ComputedRadiographyImageStorage,
    "CT": CTImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
}
WITHOUT_PIXELS = "without pixels"


@dataclass(frozen=True)
class Detector:
    """How grey from 0 to 255 becomes stored values: `lowest + step * grey`, in `bits` bits.

    `intercept` is what a value's meaning differs from it by; the window shows exactly the grey.
    """

    bits: int
    lowest: int
    step: int
    signed: bool = False
    intercept: int = 0


@dataclass(frozen=True)
class Header:
    """What a file says beside its pixels; empty tags are written as empty, missing ones not."""

    name: str  # decides the file's identifiers
    modality: str
    inverted: bool = False
    pixels: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


def encode(grey: Bytes, detector: Detector, header: Header) -> bytes:
    """Return the bytes of a DICOM file that shows `grey`."""
    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = KINDS[header.modality], uid(header.name)
    file.Modality = header.modality
    for tag, value in header.tags.items():
        setattr(file, tag, value)
    if header.pixels:
        _picture(file, grey, detector, header.inverted)
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def uid(name: str) -> str:
    """Return an identifier that follows from a name."""
    return f"{ROOT}.{int.from_bytes(blake2b(name.encode(), digest_size=15).digest())}"


def without_pixels(config: PhantomConfig, images: pd.DataFrame) -> pd.Series:
    """Tell which of the images that are sound otherwise are written without their pixels."""
    keys, stream = images["image_key"].to_numpy(), f"no pixels {images['dataset'].iloc[0]}"
    drawn = noise.uniform(config.seed, stream, keys, 1)[:, 0] < config.dirt_share
    return pd.Series(drawn, images.index)


def _picture(file: Dataset, grey: Bytes, detector: Detector, inverted: bool) -> None:
    """Add the pixels, what their values mean and the window that shows them."""
    kind = np.dtype("<i2" if detector.signed else "<u2")
    shade = 255 - grey if inverted else grey
    file.Rows, file.Columns = grey.shape
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, detector.bits, detector.bits - 1
    file.PixelRepresentation = int(detector.signed)
    file.RescaleSlope, file.RescaleIntercept = "1", str(detector.intercept)
    span = 255 * detector.step
    low = detector.lowest + detector.intercept
    file.WindowCenter, file.WindowWidth = f"{low + span / 2 + 0.5:g}", f"{span + 1}"
    values = detector.lowest + detector.step * shade.astype(np.int32)
    file.PixelData = values.astype(kind).tobytes()
    file["PixelData"].VR = "OW"
