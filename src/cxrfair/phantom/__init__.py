"""A simulated chest X-ray population with a known causal graph, in the originals' layouts."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyarrow import Table, parquet

from cxrfair import plugins
from cxrfair.files import whole
from cxrfair.phantom import families, population, writers
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.output import MARKER, whole_folder
from cxrfair.progress import track

__all__ = ["MARKER", "PhantomConfig", "names", "write"]

NOTICE = """PHANTOM
Everything in this folder is simulated: no patient, no image and no date is real.
Written by cxrfair.phantom as a stand-in for {dataset}, in its original layout; seed {seed}.
"""


def names() -> tuple[str, ...]:
    """Return the data sets the phantom can stand in for."""
    return plugins.names(writers)


def write(dataset: str, config: PhantomConfig, root: Path, truth: Path) -> None:
    """Write a stand-in for `dataset` under `root`, and what is true of it to `truth` (Parquet).

    The folder appears whole or not at all, with a marker file that says it is simulated. The truth
    is one row an image, by `image_id`: attributes, findings, boxes and the numbers of its scene,
    from which `scene.draw` makes the picture and its masks again. For data sets
    without images it is one row a patient. The people are those of the data set's family
    (`families`), whose seed the truth holds.

    Raises
    ------
    UnknownNameError
        If no writer of that name exists.
    PhantomError
        If `root` holds files that are not a phantom's.
    """
    writer = plugins.find(writers, dataset)
    with whole_folder(root) as part, whole(truth) as file:
        total = -(-config.patients // population.BLOCK)
        what = f"simulate {dataset}"
        settled = families.settled(config, dataset)
        _save_truth(track(writer.write(settled, part), what, "blocks of patients", total), file)
        notice = NOTICE.format(dataset=dataset, seed=config.seed)
        (part / MARKER).write_text(notice, encoding="utf-8")


def _save_truth(pieces: Iterator[pd.DataFrame], path: Path) -> None:
    """Write what is true, piece by piece, to one Parquet file."""
    first = Table.from_pandas(next(pieces), preserve_index=False).replace_schema_metadata(None)
    with parquet.ParquetWriter(path, first.schema) as file:
        file.write_table(first)
        for piece in pieces:
            file.write_table(Table.from_pandas(piece, first.schema, preserve_index=False))
