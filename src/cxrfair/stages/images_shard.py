"""Image files to one shard of the image store."""

from pathlib import Path

from cxrfair import tables
from cxrfair.images.shards import SHARD_INDEX, build_shard
from cxrfair.images.store import ImageConfig
from cxrfair.stages._cli import call


def images_shard(
    *,
    records: Path,
    root: Path,
    config: ImageConfig,
    shard: int,
    workers: int,
    pixels: Path,
    index: Path,
) -> None:
    """Decode the images of one shard, counted from 0, once."""
    found = build_shard(tables.RECORDS.read(records), root, config, shard, pixels, workers)
    SHARD_INDEX.write(found, index)


if __name__ == "__main__":
    call(images_shard)
