"""Drawing a scene into image files, shared by the layouts that hold images."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from cxrfair.phantom import output, scene
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes

Encode = Callable[[Path, Bytes, str], None]  # writes one picture, spoilt in the way that is told


def save(
    config: PhantomConfig, images: pd.DataFrame, root: Path, encode: Encode = output.save_image
) -> pd.DataFrame:
    """Draw every row of a scene into `root / path`; return the scene with `spoilt` and `boxes`.

    `boxes` is JSON, {finding: [x, y, width, height]} in shares of the picture's side.
    """
    images = images.assign(spoilt=output.spoilt(config, images))
    boxes: list[str] = []
    for rows, pictures in scene.batches(images, config.image_size):
        for path, how, grey in zip(rows["path"], rows["spoilt"], pictures.grey, strict=True):
            encode(root / path, grey, how)
        boxes += [json.dumps(found, sort_keys=True) for found in scene.boxes(pictures)]
    return images.assign(boxes=boxes)
