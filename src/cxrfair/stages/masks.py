"""Annotations of a data set to masks of a study's labels, laid out as its images are."""

from pathlib import Path

from cxrfair import tables
from cxrfair.images.masks import draw
from cxrfair.labels import LabelConfig, parts
from cxrfair.progress import say
from cxrfair.stages._cli import call


def masks(
    *,
    splits: Path,
    annotations: Path,
    index: Path,
    labels: tuple[str, ...],
    config: LabelConfig,
    size: int,
    masks: Path,
    places: Path,
) -> None:
    """Draw one mask for every image with a fold and every label of it that is annotated.

    `config` says what a label that unites several is made of: annotations of each count for it.
    """
    drawn = draw(
        tables.ANNOTATIONS.read(annotations),
        tables.STORE_INDEX.read(index),
        tables.SPLITS.read(splits),
        {label: parts(label, config) for label in labels},
        (size, masks),
    )
    tables.MASK_INDEX.write(drawn.rows, places)
    said = f"{len(drawn.rows)} of {drawn.geometries} geometries"
    say(f"masks: {said}; {drawn.lost} geometries hold no pixel of their image and are left out")


if __name__ == "__main__":
    call(masks)
