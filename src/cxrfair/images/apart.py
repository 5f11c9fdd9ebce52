"""Decoding in a process of its own, for a decoder that ends its process on some damaged files.

gdcm alone reads lossless JPEG and JPEG-LS, and aborts where others raise. A process lives as long
as the thread that asked for it, so that the cost is paid once and not once an image.
"""

import threading
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from multiprocessing import get_context

from pydicom import config, dcmread

from cxrfair.images.shades import Values

LONGEST_S = 120.0  # of one picture; a minute is far more than the largest takes

_own = threading.local()


def values(data: bytes, plugin: str) -> Values:
    """Return the stored values of a DICOM file, decoded by `plugin` in another process.

    Raises
    ------
    RuntimeError
        If that process dies or does not come back; and whatever pydicom raises.
    """
    pool: ProcessPoolExecutor | None = getattr(_own, "pool", None)
    if pool is None:
        pool = _own.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        found: Values = pool.submit(_values, data, plugin).result(LONGEST_S)
    except (BrokenProcessPool, TimeoutError):
        _own.pool = None
        pool.shutdown(wait=False, cancel_futures=True)
        raise RuntimeError("the decoder's process died") from None
    return found


def _values(data: bytes, plugin: str) -> Values:
    config.settings.reading_validation_mode = config.IGNORE
    header = dcmread(BytesIO(data))
    header.pixel_array_options(decoding_plugin=plugin)
    found: Values = header.pixel_array
    return found
