"""A trained network to maps of what it looks at, in some test images."""

from pathlib import Path

import numpy as np

from cxrfair import inference, tables
from cxrfair.errors import CxrfairError
from cxrfair.files import whole, write_text
from cxrfair.images.store import Store
from cxrfair.shown import DrawConfig, shown
from cxrfair.stages import _model
from cxrfair.stages._cli import as_json, call
from cxrfair.training import device
from cxrfair.training.scoring import restore

LOCKS = Path(".cxrfair/locks")


class DrawError(CxrfairError):
    """It is not clear which images are to be drawn."""


def draw(
    *,
    weights: Path,
    card: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    annotated: tuple[Path, ...],
    threads: int,
    config: DrawConfig,
    maps: Path,
    places: Path,
    about: Path,
) -> None:
    """Draw the same test images for every model; `about` names the maps and their labels.

    Given a file that says which images have a mask, `annotated` draws more of those.
    """
    if len(annotated) > 1:
        raise DrawError(f"draw: {len(annotated)} files of annotated; allowed: 0 or 1")
    device.make_deterministic(threads)
    described, tensors = _model.read(card, weights)
    store = Store(pixels, tables.STORE_INDEX.read(index))
    network = restore(described, tensors)
    marks = tables.MASK_INDEX.read(annotated[0]) if annotated else None
    images = shown(tables.SPLITS.read(splits), config, marks)
    drawn = inference.draw(network, described, images, store, device.choose(LOCKS))
    with whole(maps) as part, part.open("wb") as file:
        np.save(file, drawn.values)
    tables.MAP_INDEX.write(drawn.index, places)
    write_text(about, as_json({"name": drawn.name, "of": drawn.of}))


if __name__ == "__main__":
    call(draw)
