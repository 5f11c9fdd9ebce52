"""Saliency maps of a data set's models to how far those of labels and attributes overlap."""

from pathlib import Path

from cxrfair import tables
from cxrfair.images.store import Store
from cxrfair.lookup import people_of
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
    drawn = ("overlap", "explained images")
    people = people_of(ids, tables.COHORT.read(cohort), drawn, OverlapError)
    images = Images(ids, people["patient_id"].tolist(), size)
    found = measure((name, dataset), study, saliency, images, uncertainty)
    tables.OVERLAP.write(found, out)
    set_beside(study, saliency, Pictures.read(pictures)).write(panels)


if __name__ == "__main__":
    call(overlap)
