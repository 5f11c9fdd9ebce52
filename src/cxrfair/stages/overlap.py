"""Saliency maps of a data set's models to how far those of labels and attributes overlap."""

from pathlib import Path

import pandas as pd

from cxrfair import tables
from cxrfair.images.store import Store
from cxrfair.lookup import places
from cxrfair.overlap import Images, OverlapError, Saliency
from cxrfair.overlap import overlap as measure
from cxrfair.pictured_saliency import Pictures
from cxrfair.pictured_saliency import panels as set_beside
from cxrfair.stages._cli import call
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study


def overlap(
    *,
    name: str,
    dataset: str,
    study: Study,
    maps: Path,
    where: Path,
    pictures: Path,
    cohort: Path,
    pixels: Path,
    index: Path,
    uncertainty: Uncertainty,
    out: Path,
    panels: Path,
) -> None:
    """Measure every model whose maps stage `explain` wrote; `pictures` are empty of patients."""
    saliency = Saliency.read(maps, where)
    ids = sorted(saliency.index["image_id"].unique())
    size = Store(pixels, tables.STORE_INDEX.read(index)).size
    images = Images(ids, _patients(ids, tables.COHORT.read(cohort)), size)
    found = measure((name, dataset), study, saliency, images, uncertainty)
    tables.OVERLAP.write(found, out)
    set_beside(study, saliency, Pictures.read(pictures)).write(panels)


def _patients(image_ids: list[str], cohort: pd.DataFrame) -> list[str]:
    """Return whose images these are."""
    row = places(pd.Series(image_ids, dtype="str"), cohort["image_id"])
    if lost := int((row < 0).sum()):
        raise OverlapError(f"overlap: {lost} explained images are not in the cohort; allowed: 0")
    return cohort["patient_id"].iloc[row].tolist()


if __name__ == "__main__":
    call(overlap)
