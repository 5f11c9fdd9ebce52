"""Shards to the image store."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.errors import CxrfairError
from cxrfair.files import whole, write_text
from cxrfair.images.shards import SHARD_INDEX, merge
from cxrfair.images.store import ImageConfig, refuse_if_too_many
from cxrfair.images.store import summary as summarise
from cxrfair.stages._cli import as_json, call


def images(
    *,
    shard_pixels: tuple[Path, ...],
    shard_indexes: tuple[Path, ...],
    absent: Path,
    config: ImageConfig,
    pixels: Path,
    index: Path,
    quarantine: Path,
    summary: Path,
    refused: Path,
) -> None:
    """Put shards together; list images that cannot be used, and stop if too many are damaged.

    Images without a file are listed too, but do not count towards the limit: part of a data set is
    a usual thing to have on a disk.
    """
    if len(shard_pixels) != len(shard_indexes):
        raise CxrfairError(
            f"images: {len(shard_pixels)} shards and {len(shard_indexes)} indexes; one each"
        )
    indexes = [SHARD_INDEX.read(path) for path in shard_indexes]
    refuse_if_too_many(pd.concat(indexes, ignore_index=True), config, refused)
    found = merge(list(zip(shard_pixels, indexes, strict=True)), config, pixels)
    tables.STORE_INDEX.write(found, index)
    write_text(summary, as_json(summarise(found)))
    damaged = found.loc[found["quarantine"].notna(), ["image_id", "quarantine"]]
    without = tables.ABSENT.read(absent).rename(columns={"why": "quarantine"})
    listed = pd.concat([damaged, without[["image_id", "quarantine"]]]).sort_values("image_id")
    with whole(quarantine) as part:
        listed.to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(images)
