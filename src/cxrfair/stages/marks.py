"""Annotations of another data set's images in our vocabulary."""

from pathlib import Path

from cxrfair import datasets, tables
from cxrfair.datasets import Marks
from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.stages._cli import as_json, call


def marks(*, dataset: str, root: Path, options: str, annotations: Path, notes: Path) -> None:
    """Read annotations and write them; `options` is the data set's settings as JSON."""
    source = datasets.read(dataset, root, options)
    if not isinstance(source, Marks):
        raise CxrfairError(
            f"params.yaml data: {dataset} holds {datasets.get(dataset).KIND}, not annotations of "
            "other images; link to one that does, such as chexlocalize"
        )
    tables.ANNOTATIONS.write(source.annotations, annotations)
    write_text(notes, as_json(dict(source.notes)))


if __name__ == "__main__":
    call(marks)
