"""Image stores of several data sets to one."""

from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import pools, tables
from cxrfair.errors import CxrfairError
from cxrfair.files import whole, write_text
from cxrfair.images.store import summary
from cxrfair.stages._cli import as_json, call
from cxrfair.stages.pool import read


def pool_images(
    *,
    names: tuple[Any, ...],
    pixels: tuple[Path, ...],
    indexes: tuple[Path, ...],
    quarantines: tuple[Path, ...],
    pooled_pixels: Path,
    pooled_index: Path,
    pooled_quarantine: Path,
    pooled_summary: Path,
) -> None:
    """Put the stores of the members `names` one after another; files are in that order."""
    if not len(names) == len(pixels) == len(quarantines):
        raise CxrfairError(
            f"pool: {len(pixels)} stores and {len(quarantines)} lists of images that cannot be "
            f"used, of {len(names)} members; one each"
        )
    known = read(tables.STORE_INDEX, names, indexes)
    members = {name: (path, known[name]) for name, path in zip(names, pixels, strict=True)}
    index = pools.store(members, pooled_pixels)
    tables.STORE_INDEX.write(index, pooled_index)
    write_text(pooled_summary, as_json(summary(index)))
    unused = [
        pools.renamed(pd.read_csv(path, dtype="str"), name)
        for name, path in zip(names, quarantines, strict=True)
    ]
    listed = pd.concat(unused, ignore_index=True).sort_values("image_id")
    with whole(pooled_quarantine) as part:
        listed.to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(pool_images)
