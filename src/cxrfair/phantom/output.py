"""Files: images (some of them spoilt), tables, and a folder that appears whole or not at all."""

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cxrfair.phantom import noise
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.scene import Bytes

MARKER = "PHANTOM.txt"
SPOILT = ("truncated", "not an image", "empty")


def spoilt(config: PhantomConfig, scene: pd.DataFrame) -> NDArray[np.str_]:
    """Say of each image how its file is spoilt; an empty word for those that are sound."""
    stream = f"spoilt {scene['dataset'].iloc[0]}"
    u = noise.uniform(config.seed, stream, scene["image_key"].to_numpy(), 2)
    kind = np.asarray(SPOILT)[(u[:, 1] * len(SPOILT)).astype(int)]
    return np.where(u[:, 0] < config.corrupt_share, kind, "")


def save_image(path: Path, grey: Bytes, how: str) -> None:
    """Encode a grey picture by its file's ending, spoil it as told, and write it."""
    buffer = BytesIO()
    if path.suffix == ".jpg":
        Image.fromarray(grey).save(buffer, "JPEG", quality=95)
    else:
        Image.fromarray(grey).save(buffer, "PNG", compress_level=3)
    data = buffer.getvalue()
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "not an image":
        data = b"<html><body>404 Not Found</body></html>\n"
    elif how == "empty":
        data = b""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def save_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file, compressed where its name ends in .gz; equal content is equal bytes."""
    text = frame.to_csv(index=False, lineterminator="\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


@contextmanager
def whole_folder(root: Path) -> Iterator[Path]:
    """Give a temporary folder beside `root`; move it into place only when the block ends well.

    Raises
    ------
    PhantomError
        If `root` holds files that are not a phantom's; they are left alone.
    """
    if root.exists() and any(root.iterdir()) and not (root / MARKER).is_file():
        raise PhantomError(
            f"{root}: holds files, and no {MARKER}; only an empty folder or a phantom is written to"
        )
    part = root.with_name(f".{root.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        yield part
        if root.exists():
            shutil.rmtree(root)
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)
