"""How a data set's pictures come to be, and drawing them into files.

Each layout that holds images says it once, as its `LAYOUT`: pictures made under an intervention
(`phantom.worlds`) are then framed and encoded like those of the data set.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrfair.phantom import output, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes

Encode = Callable[[Path, Bytes, str], None]  # writes one picture, spoilt in the way that is told
Encoder = Callable[[PhantomConfig, pd.DataFrame, Path], Encode]  # of the images below a root
Frame = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


def alike(encode: Encode) -> Encoder:
    """Return the encoder of a layout that writes all pictures in one way."""
    return lambda _config, _images, _root: encode


def as_taken(scenes: pd.DataFrame, filed: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the scene that each filed image is, by `image_key`."""
    rows = pd.Index(scenes["image_key"]).get_indexer(filed["image_key"])
    taken: pd.DataFrame = scenes.iloc[rows].reset_index(drop=True)
    return taken


@dataclass(frozen=True)
class Layout:
    """How the pictures of a data set are taken, framed and encoded.

    `frame` returns, for each filed image (a row of the truth), its row of the scene in which the
    patients are X-rayed, and what the layout makes of it.
    """

    profile: Profile
    encoder: Encoder = alike(output.save_image)
    frame: Frame = as_taken


def save(config: PhantomConfig, images: pd.DataFrame, root: Path, layout: Layout) -> pd.DataFrame:
    """Draw every row of a scene into `root / path`; return the scene with `spoilt` and `boxes`.

    `boxes` is JSON, {finding: [x, y, width, height]} in shares of the picture's side.
    """
    encode = layout.encoder(config, images, root)
    images = images.assign(spoilt=output.spoilt(config, images))
    boxes: list[str] = []
    for rows, pictures in scene.batches(images, config.image_size):
        for path, how, grey in zip(rows["path"], rows["spoilt"], pictures.grey, strict=True):
            encode(root / path, grey, how)
        boxes += [json.dumps(found, sort_keys=True) for found in scene.boxes(pictures)]
    return images.assign(boxes=boxes)
