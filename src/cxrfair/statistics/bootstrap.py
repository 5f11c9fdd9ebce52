"""Patient-clustered bootstrap, paired: whoever asks with the same seed gets the same patients."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ELEMENTS = 500_000  # weights held at a time: 4 MB, which fits a cache


def patient_counts(n_patients: int, n_resamples: int, seed: int) -> NDArray[np.uint16]:
    """Draw patients with replacement, as many as there are (Field & Welsh 2007, Section 2).

    Returns
    -------
    NDArray, (1 + n_resamples, n_patients)
        How often each patient is drawn. Row 0 is the sample as it is: every patient once.
    """
    counts = np.ones((1 + n_resamples, n_patients), np.uint16)
    streams = np.random.SeedSequence(seed).spawn(n_resamples)
    for row, stream in zip(counts[1:], streams, strict=True):
        drawn = np.random.default_rng(stream).integers(n_patients, size=n_patients)
        row[:] = np.bincount(drawn, minlength=n_patients)
    return counts


def image_weights(
    counts: NDArray[np.uint16], patient: NDArray[np.intp]
) -> Iterator[tuple[slice, Array]]:
    """Yield blocks of resamples as weights (b, n): an image counts as often as its patient.

    Parameters
    ----------
    counts
        What `patient_counts` gave.
    patient
        Each image's column of `counts`, (n,).
    """
    size = max(1, ELEMENTS // max(1, len(patient)))
    for start in range(0, len(counts), size):
        rows = slice(start, min(start + size, len(counts)))
        yield rows, np.take(counts[rows], patient, axis=1).astype(np.float64)
