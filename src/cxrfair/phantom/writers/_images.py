"""Drawing a scene into image files, shared by the layouts that hold images."""

import json
from pathlib import Path

import pandas as pd

from cxrfair.phantom import output, scene
from cxrfair.phantom.config import PhantomConfig


def save(config: PhantomConfig, images: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Draw every row of a scene into `root / path`; return the scene with `spoilt` and `boxes`.

    `boxes` is JSON, {finding: [x, y, width, height]} in shares of the picture's side.
    """
    images = images.assign(spoilt=output.spoilt(config, images))
    boxes: list[str] = []
    for rows, pictures in scene.batches(images, config.image_size):
        for path, how, grey in zip(rows["path"], rows["spoilt"], pictures.grey, strict=True):
            output.save_image(root / path, grey, how)
        boxes += [json.dumps(found, sort_keys=True) for found in scene.boxes(pictures)]
    return images.assign(boxes=boxes)
