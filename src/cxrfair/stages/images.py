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
    root: Path,
    config: ImageConfig,
    workers: int,
    pixels: Path,
    index: Path,
    quarantine: Path,
    refused: Path,
) -> None:
    """Decode every image once; list the unreadable ones, and stop if they are too many."""
    found = build(tables.RECORDS.read(records), root, config, pixels, workers)
    refuse_if_too_many(found, config, refused)
    tables.STORE_INDEX.write(found, index)
    bad: pd.DataFrame = found.loc[found["quarantine"].notna(), ["image_id", "quarantine"]]
    with whole(quarantine) as part:
        bad.to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(images)
