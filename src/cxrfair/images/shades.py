"""Grey values of more than eight bits, told in eight."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Values = NDArray[np.integer[Any]]

DEPTHS = (8, 10, 12, 14, 16)  # bits of a detector's values
OUTSIDE = 0.1  # per cent of pixels at either end that may lie outside the range
SAMPLED = 512  # pixels along a side that the range is taken from


def from_depth(values: Values) -> Grey:
    """Scale 16-bit values by the least bit depth (8, 10, 12, 14, 16) that holds 99.9 % of them.

    A 16-bit PNG usually holds what a detector of 10 to 14 bits gave: its upper eight bits are
    almost black. The depth rather than the file's own range is used, so that pictures of one
    detector keep their exposure relative to one another. Brighter values (markers, dead
    pixels) become white.
    """
    top = used_range(values)[1]
    full = (1 << next(bits for bits in DEPTHS if top < 1 << bits)) - 1
    table = np.arange(1 << 16).clip(0, full) * (255 / full) + 0.5
    grey: Grey = table.astype(np.uint8)[values]
    return grey


def used_range(values: Values) -> tuple[int, int]:
    """Return the values that 0.1 % of the pixels lie below, and above, from an even sample."""
    step = max(1, max(values.shape) // SAMPLED)
    some = values[::step, ::step]
    low = np.percentile(some, OUTSIDE, method="lower")
    return int(low), int(np.percentile(some, 100 - OUTSIDE, method="higher"))
