"""A study's images to folds that do not leak."""

from pathlib import Path

from cxrfair import leakage as gate
from cxrfair import tables
from cxrfair.files import write_text
from cxrfair.leakage import LeakageError
from cxrfair.splits import SplitConfig, assign
from cxrfair.stages._cli import as_json, call


def split(
    *,
    chosen: Path,
    targets: Path,
    index: Path,
    home_chosen: tuple[Path, ...],
    home_index: tuple[Path, ...],
    config: SplitConfig,
    splits: Path,
    leakage: Path,
) -> None:
    """Assign images to folds; folds that share a patient or a picture are never written.

    An external data set is held against the images that its models come from (`home_chosen` and
    `home_index`, one file each): it has none of these patients and pictures. Of any other data set
    both are empty.
    """
    images, stored = tables.CHOSEN.read(chosen), tables.STORE_INDEX.read(index)
    folds = assign(images, tables.TARGETS.read(targets), config)
    found = gate.check(folds, images, stored)
    if len(home_chosen) != len(home_index) or len(home_chosen) != (config.by == "external"):
        raise LeakageError(
            f"split: {len(home_chosen)} and {len(home_index)} files of home, by {config.by}; "
            "allowed: one each of an external data set, else none"
        )
    for learnt, among in zip(home_chosen, home_index, strict=True):
        home, pictures = tables.CHOSEN.read(learnt), tables.STORE_INDEX.read(among)
        found |= gate.apart(images, home, (stored, pictures))
    by_image = gate.image_level(folds, images, config.seed)
    tables.SPLITS.write(folds, splits)
    write_text(leakage, as_json({**found, "image_level": by_image}))


if __name__ == "__main__":
    call(split)
