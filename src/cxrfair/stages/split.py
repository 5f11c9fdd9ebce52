"""A study's images to folds that do not leak."""

from pathlib import Path

from cxrfair import leakage as gate
from cxrfair import tables
from cxrfair.files import write_text
from cxrfair.splits import SplitConfig, assign
from cxrfair.stages._cli import as_json, call


def split(
    *, chosen: Path, targets: Path, index: Path, config: SplitConfig, splits: Path, leakage: Path
) -> None:
    """Assign images to folds; folds that share a patient or a picture are never written."""
    images = tables.CHOSEN.read(chosen)
    folds = assign(images, tables.TARGETS.read(targets), config)
    found = gate.check(folds, images, tables.STORE_INDEX.read(index))
    by_image = gate.image_level(folds, images, config.seed)
    tables.SPLITS.write(folds, splits)
    write_text(leakage, as_json({**found, "image_level": by_image}))


if __name__ == "__main__":
    call(split)
