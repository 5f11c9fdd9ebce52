"""A data set of images to records, labels and annotations in our vocabulary."""

from pathlib import Path

from cxrfair import datasets, tables
from cxrfair.cohort import flow as flows
from cxrfair.datasets import Images
from cxrfair.errors import CxrfairError
from cxrfair.stages._cli import call


def ingest(
    *,
    dataset: str,
    root: Path,
    options: str,
    records: Path,
    labels: Path,
    annotations: Path,
    absent: Path,
    flow: Path,
) -> None:
    """Read a data set and write what its files say; `options` is its settings as JSON."""
    source = datasets.read(dataset, root, options)
    if not isinstance(source, Images):
        raise CxrfairError(
            f"params.yaml studies: {dataset} holds {datasets.get(dataset).KIND}, not images; "
            f"name an image data set there and {dataset} under `link` of its data"
        )
    tables.RECORDS.write(source.records, records)
    tables.LABELS.write(source.labels, labels)
    tables.ANNOTATIONS.write(source.annotations, annotations)
    tables.ABSENT.write(source.absent, absent)
    tables.FLOW.write(flows.ingested(source.records, source.absent, source.notes), flow)


if __name__ == "__main__":
    call(ingest)
