"""A study's images to its cohort: attributes that need a cut get the one training images say."""

from pathlib import Path

from cxrfair import tables
from cxrfair.cohort.sdoh import SdohConfig, apply_cuts, fit_cuts
from cxrfair.files import write_text
from cxrfair.stages._cli import as_json, call


def group(*, chosen: Path, splits: Path, sdoh: SdohConfig, cohort: Path, cuts: Path) -> None:
    """Fit cuts on the training fold, and group everybody by them."""
    images = tables.CHOSEN.read(chosen)
    fitted = fit_cuts(images, tables.SPLITS.read(splits), sdoh)
    tables.COHORT.write(apply_cuts(images, fitted), cohort)
    write_text(cuts, as_json(fitted))


if __name__ == "__main__":
    call(group)
