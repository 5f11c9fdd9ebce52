"""A hospital's tables to patients and stays in our vocabulary."""

from pathlib import Path

from cxrfair import datasets, tables
from cxrfair.datasets import Encounters
from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.stages._cli import as_json, call


def encounters(
    *, dataset: str, root: Path, options: str, patients: Path, stays: Path, notes: Path
) -> None:
    """Read a hospital's tables and write them; `options` is the data set's settings as JSON."""
    source = datasets.read(dataset, root, options)
    if not isinstance(source, Encounters):
        raise CxrfairError(
            f"params.yaml data: {dataset} holds {datasets.get(dataset).KIND}, not hospital stays; "
            "link to one that does, such as mimic_iv"
        )
    tables.PATIENTS.write(source.patients, patients)
    tables.STAYS.write(source.stays, stays)
    write_text(notes, as_json(dict(source.notes)))


if __name__ == "__main__":
    call(encounters)
