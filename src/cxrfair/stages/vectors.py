"""Files of vectors to the store of vectors."""

from pathlib import Path

from cxrfair import tables
from cxrfair import vectors as library
from cxrfair.files import whole, write_text
from cxrfair.images.store import ImageConfig, refuse_if_too_many
from cxrfair.images.store import summary as summarise
from cxrfair.stages._cli import as_json, call


def vectors(
    *,
    records: Path,
    source: str,
    root: Path,
    config: ImageConfig,
    workers: int,
    values: Path,
    index: Path,
    quarantine: Path,
    summary: Path,
    refused: Path,
) -> None:
    """Read the vectors of images once; list images without one, and stop if too many are damaged.

    Only images that the source names, with a file or without, count towards the limit: others,
    such as lateral views, never had a vector. `expected` of the summary is how many it names.
    """
    found = tables.RECORDS.read(records)
    with whole(values) as part:
        built = library.build(found, source, root, part, workers)
        expected = built.index[built.expected]
        refuse_if_too_many(expected, config, refused, "vectors")
    tables.STORE_INDEX.write(built.index, index)
    without = built.index.loc[built.index["quarantine"].notna(), ["image_id", "quarantine"]]
    write_text(summary, as_json({**summarise(built.index), "expected": len(expected)}))
    with whole(quarantine) as part:
        without.to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    call(vectors)
