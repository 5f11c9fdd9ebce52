"""What is true of a phantom's pictures to where its findings are, as annotations."""

from pathlib import Path

from cxrfair import tables, true_outlines
from cxrfair.stages._cli import call


def outline(*, records: Path, truth: Path, index: Path, annotations: Path) -> None:
    """Outline the findings of all images of a phantom's records, in their original pixels."""
    images = tables.RECORDS.read(records)["image_id"]
    found = true_outlines.annotate(images, truth, tables.STORE_INDEX.read(index))
    tables.ANNOTATIONS.write(found, annotations)


if __name__ == "__main__":
    call(outline)
