"""Maps of a data set's models, and masks of its labels, to how often these are pointed at."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from cxrfair import tables
from cxrfair.images.store import Store
from cxrfair.localisation import Maps, Masks
from cxrfair.lookup import people_of
from cxrfair.lookup import places as find
from cxrfair.pointing import Outlined, PointingError
from cxrfair.pointing import point as measure
from cxrfair.shown import SHOWN
from cxrfair.sights import NOTHING, depict
from cxrfair.stages._cli import call
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study

Key = TypeVar("Key")


class _Stored(Mapping[Key, Maps]):
    """Maps of models, read when they are asked for: those of many would not find room."""

    def __init__(self, files: Mapping[Key, list[Path]]) -> None:
        self._files = files

    def __getitem__(self, key: Key) -> Maps:
        return Maps.read(*self._files[key])

    def __iter__(self) -> Iterator[Key]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def point(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    maps: tuple[Path, ...],
    places: tuple[Path, ...],
    about: tuple[Path, ...],
    masks: Path,
    marks: Path,
    cohort: Path,
    pixels: Path,
    index: Path,
    simulated: bool,
    uncertainty: Uncertainty,
    out: Path,
    sights: Path,
) -> None:
    """Measure every model; `models` names variant and seed of the files in their order.

    `marks` says whose masks lie where in `masks`. Pictures of a few images are kept of a phantom
    (`simulated`), none of patients.
    """
    every = zip(models, maps, places, about, strict=True)
    files = {(str(v), int(s)): of for (v, s), *of in every}
    if not files:
        raise PointingError("point: maps of 0 models; at least 1 is needed")
    ids = tables.MAP_INDEX.read(places[0])["image_id"].tolist()
    outlined = _masks(ids, study.labels, masks, tables.MASK_INDEX.read(marks))
    what = ("point", "drawn images")
    people = people_of(ids, tables.COHORT.read(cohort), what, PointingError)
    drawn, images = _Stored(files), Outlined(people, outlined)
    found = measure((name, dataset), study, drawn, images, uncertainty)
    tables.POINTING.write(found, out)
    kept = NOTHING
    if simulated:
        store = Store(pixels, tables.STORE_INDEX.read(index))
        first = _Stored({v: of for (v, seed), of in files.items() if seed == study.seeds[0]})
        kept = depict(first, ids, outlined, lambda some: store.read(store.rows(some)))
    kept.write(sights)


def _masks(ids: list[str], labels: tuple[str, ...], masks: Path, marks: pd.DataFrame) -> Masks:
    """Return the masks of test images that maps are drawn of, by label."""
    stored = np.load(masks, mmap_mode="r")
    place = find(marks["image_id"], pd.Index(ids))
    mine = marks.assign(place=place)[(place >= 0) & marks["fold"].eq(SHOWN)]
    found = {}
    for label in labels:
        of = mine[mine["label"] == label].sort_values("place")
        inside = np.asarray(stored[of["row"].to_numpy(np.int64)]) > 0
        found[label] = (of["place"].to_numpy(np.intp), inside)
    return found


if __name__ == "__main__":
    call(point)
