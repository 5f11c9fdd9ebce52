"""A hospital's tables to patients and stays in our vocabulary."""

from pathlib import Path

from cxrfair import datasets, tables
from cxrfair.datasets import Encounters
from cxrfair.errors import CxrfairError
from cxrfair.stages._cli import call


def encounters(dataset: str, root: Path, patients: Path, stays: Path) -> None:
    """Read a hospital's tables and write them."""
    source = datasets.get(dataset).read(root)
    if not isinstance(source, Encounters):
        raise CxrfairError(f"params.yaml data: {dataset} holds images, not stays; link to mimic_iv")
    tables.PATIENTS.write(source.patients, patients)
    tables.STAYS.write(source.stays, stays)


if __name__ == "__main__":
    call(encounters)
