"""Maps of a data set's models, and where its findings are, to how well the ones meet the others."""

from pathlib import Path
from typing import Any

from cxrfair import outlines, tables
from cxrfair.images.store import Store
from cxrfair.localisation import Images, LocalisationError, Maps
from cxrfair.localisation import localise as measure
from cxrfair.lookup import people_of
from cxrfair.pictured import NOTHING, choose, depict
from cxrfair.stages._cli import call
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study


def localise(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    maps: tuple[Path, ...],
    places: tuple[Path, ...],
    about: tuple[Path, ...],
    truth: tuple[Path, ...],
    annotations: tuple[Path, ...],
    cohort: Path,
    pixels: Path,
    index: Path,
    share: float,
    uncertainty: Uncertainty,
    out: Path,
    examples: Path,
) -> None:
    """Measure every model; `models` names variant and seed of the files in their order.

    Of a phantom, `truth` is given and pictures of a few images are kept; of patients `annotations`.
    """
    if len(truth) + len(annotations) != 1:
        given = f"{len(truth)} of truth, {len(annotations)} of annotations"
        raise LocalisationError(f"localise: {given}; exactly one file of either is needed")
    files = zip(models, maps, places, about, strict=True)
    drawn = {(str(v), int(s)): Maps.read(*paths) for (v, s), *paths in files}
    ids = next(iter(drawn.values())).image_ids
    listed = tables.STORE_INDEX.read(index)
    store = Store(pixels, listed)
    if truth:
        masks = outlines.from_truth(ids, truth[0], store.size)
    else:
        marks = tables.ANNOTATIONS.read(annotations[0])
        masks = outlines.from_annotations(ids, marks, listed, store.size)
    what = ("localise", "drawn images")
    people = people_of(ids, tables.COHORT.read(cohort), what, LocalisationError)
    images = Images(ids, people["patient_id"].tolist(), masks)
    found = measure((name, dataset), study, drawn, images, share, uncertainty)
    tables.LOCALISATION.write(found, out)
    first = {variant: of for (variant, seed), of in drawn.items() if seed == study.seeds[0]}
    shown = store.read(store.rows([ids[row] for row in choose(images)])) if truth else None
    kept = NOTHING if shown is None else depict(first, images, shown, share)
    kept.write(examples)


if __name__ == "__main__":
    call(localise)
