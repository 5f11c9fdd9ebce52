"""What a DICOM's stored values mean, and how bright its window shows them (PS3.3 C.11)."""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Floats = NDArray[np.floating[Any]]
Whole = NDArray[np.integer[Any]]


def meant(stored: Whole, header: Dataset) -> Floats:
    """Turn stored values into the modality's: by its table, or by slope and intercept."""
    if header.get("ModalityLUTSequence"):
        table, first, _ = _table(header.ModalityLUTSequence[0])
        looked_up: Floats = table[(stored - first).clip(0, len(table) - 1)].astype(float)
        return looked_up
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    rescaled: Floats = stored * (1.0 if slope is None else slope) + (intercept or 0.0)
    return rescaled


def shown(values: Floats, header: Dataset) -> Floats | None:
    """Return brightness, 0 to 1 inside the window; None without a window that fits the values.

    Of several windows the first counts, if it is wider than 1; a table counts before it.
    """
    if header.get("VOILUTSequence"):
        table, first, bits = _table(header.VOILUTSequence[0])
        place = (np.rint(values) - first).clip(0, len(table) - 1).astype(int)
        looked_up: Floats = table[place] / (2.0**bits - 1)
        return looked_up
    center, width = _number(header, "WindowCenter"), _number(header, "WindowWidth")
    if center is None or width is None or width <= 1:
        return None
    if center + width / 2 <= values.min() or center - width / 2 >= values.max():
        return None
    return _windowed(values, center, width, header.get("VOILUTFunction") or "LINEAR")


def _windowed(values: Floats, center: float, width: float, function: str) -> Floats:
    """Return brightness by one of the standard's three functions."""
    if function == "SIGMOID":
        curve: Floats = 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
        return curve
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    return (values - (center - 0.5)) / (width - 1) + 0.5


def _table(item: Dataset) -> tuple[Whole, int, int]:
    """Read a look-up table: its entries, the value that the first stands for, bits of an entry."""
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        data = struct.unpack(f"<{len(data) // 2}H", data)
    table = np.asarray(data, dtype=np.int64).reshape(-1)[: count or 1 << 16]
    if not len(table) or not 1 <= bits <= 16:
        raise ValueError("a look-up table without entries, or of no bits")
    return table, first, bits


def _number(header: Dataset, name: str) -> float | None:
    """Return the first finite number of a tag; None if it holds none."""
    value = header.get(name)
    first = value if isinstance(value, float | int) or not value else value[0]
    if first is None or first == "" or not math.isfinite(float(first)):
        return None
    return float(first)
