"""Image files to the image store."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.files import whole
from cxrfair.images.store import ImageConfig, build, refuse_if_too_many
from cxrfair.stages._cli import call


def images(
    *,
    records: Path,
    absent: Path,
    root: Path,
    config: ImageConfig,
    workers: int,
    pixels: Path,
    index: Path,
    quarantine: Path,
    refused: Path,
) -> None:
    """Decode every image once; list those that cannot be used, and stop if too many are damaged.

    Images without a file are listed too, but do not count towards the limit: part of a data set is
    a usual thing to have on a disk.
    """
    found = build(tables.RECORDS.read(records), root, config, pixels, workers)
    refuse_if_too_many(found, config, refused)
    tables.STORE_INDEX.write(found, index)
    damaged = found.loc[found["quarantine"].notna(), ["image_id", "quarantine"]]
    without = tables.ABSENT.read(absent).rename(columns={"why": "quarantine"})
    listed = pd.concat([damaged, without[["image_id", "quarantine"]]]).sort_values("image_id")
    with whole(quarantine) as part:
        listed.to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(images)
