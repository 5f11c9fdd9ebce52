"""The test images of a phantom, made again under the interventions of a study."""

from pathlib import Path

import numpy as np

from cxrfair import tables
from cxrfair.files import whole
from cxrfair.phantom import PhantomConfig, worlds
from cxrfair.stages._cli import call
from cxrfair.studies import Study


def intervene(
    *,
    dataset: str,
    study: Study,
    config: PhantomConfig,
    size: int,
    truth: Path,
    splits: Path,
    pixels: Path,
    index: Path,
) -> None:
    """Make every test image in the four worlds of each attribute; `size` as in section `images`."""
    worlds.check(dataset, study.effects)
    chosen = sorted(tables.SPLITS.read(splits, ("fold", "test"))["image_id"])
    images = worlds.known(truth, chosen)
    found = worlds.listed(study.effects, chosen)
    with whole(pixels) as part:
        shape = (len(found), size, size)
        out = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        worlds.render(config, dataset, images, [*worlds.of(study.effects).values()], out)
        out.flush()
    tables.INTERVENTIONS.write(found, index)


if __name__ == "__main__":
    call(intervene)
