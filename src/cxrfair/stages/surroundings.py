"""Where people live, and what is known of those places, in our vocabulary."""

from pathlib import Path

from cxrfair import datasets, tables
from cxrfair.datasets import Surroundings
from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.stages._cli import as_json, call


def surroundings(
    *, dataset: str, root: Path, options: str, residences: Path, values: Path, notes: Path
) -> None:
    """Read homes and places and write them; `options` is the data set's settings as JSON."""
    source = datasets.read(dataset, root, options)
    if not isinstance(source, Surroundings):
        raise CxrfairError(
            f"params.yaml data: {dataset} holds {datasets.get(dataset).KIND}, not where people "
            "live; link to one that does, such as mimic_sdoh"
        )
    tables.RESIDENCES.write(source.residences, residences)
    tables.SURROUNDINGS.write(source.values, values)
    write_text(notes, as_json(dict(source.notes)))


if __name__ == "__main__":
    call(surroundings)
