"""Records and a hospital's stays to records with demographics."""

from pathlib import Path

from cxrfair import tables
from cxrfair.cohort.link import LinkConfig
from cxrfair.cohort.link import link as link_records
from cxrfair.stages._cli import call


def link(
    records: Path, patients: Path, stays: Path, config: LinkConfig, linked: Path, flow: Path
) -> None:
    """Link every image to the stay it was taken in, or the next best."""
    people, visits = tables.PATIENTS.read(patients), tables.STAYS.read(stays)
    found, steps = link_records(tables.RECORDS.read(records), people, visits, config)
    tables.RECORDS.write(found, linked)
    tables.FLOW.write(steps, flow)


if __name__ == "__main__":
    call(link)
