"""Trained networks of a data set to maps of what speaks for labels and attributes in test images.

The maps of all models lie one after the other in one row of numbers, each on its network's own
grid: networks differ in it, and enlarged they would be hundreds of times as large and say no more.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import outlines, saliency, tables
from cxrfair.embeddings import Embeddings
from cxrfair.files import whole
from cxrfair.images.store import Store
from cxrfair.methods import Network
from cxrfair.overlap import ATTRIBUTE, LABEL
from cxrfair.pictured_saliency import NONE, Pictures, pick
from cxrfair.probes import ProbeConfig
from cxrfair.progress import track
from cxrfair.shown import DrawConfig, shown
from cxrfair.stages import _model
from cxrfair.stages._cli import call
from cxrfair.studies import Study
from cxrfair.training import device
from cxrfair.training.scoring import restore

LOCKS = Path(".cxrfair/locks")
Maps = NDArray[np.float32]


def explain(
    *,
    name: str,
    dataset: str,
    study: Study,
    models: tuple[Any, ...],
    weights: tuple[Path, ...],
    cards: tuple[Path, ...],
    features: tuple[Path, ...],
    places: tuple[Path, ...],
    splits: Path,
    cohort: Path,
    truth: tuple[Path, ...],
    pixels: Path,
    index: Path,
    threads: int,
    config: DrawConfig,
    probe: ProbeConfig,
    maps: Path,
    where: Path,
    pictures: Path,
) -> None:
    """Explain every model; `models` names variant and seed of the files in their order.

    `truth` is given of a phantom alone: then pictures of a few images are kept.
    """
    if not study.effects:
        raise saliency.SaliencyError(f"studies.{name}: no `effects`; maps are of their attributes")
    device.make_deterministic(threads)
    store = Store(pixels, tables.STORE_INDEX.read(index))
    folds, on = tables.SPLITS.read(splits), device.choose(LOCKS)
    ids = shown(folds, config)
    of = saliency.learners(folds, tables.COHORT.read(cohort), study.effects, probe)
    kept, masks = _chosen(ids, truth, study, store.size)
    made, seen = [], {}
    files = list(zip(models, weights, cards, features, places, strict=True))
    for (variant, seed), *paths in track(files, f"explain {name} {dataset}", "models", len(files)):
        network, labels = _network(paths[0], paths[1])
        stored = Embeddings(paths[2], tables.EMBEDDING_INDEX.read(paths[3]))
        read = saliency.directions(stored, of, study.effects, probe.penalty)
        values = saliency.explain_all(network, read, ids, store, on)
        names = [(LABEL, each) for each in labels] + [(ATTRIBUTE, each) for each in study.effects]
        made.append((values, _listed(values, ids, names).assign(variant=variant, seed=int(seed))))
        if kept and int(seed) == study.seeds[0]:
            seen[variant] = saliency.pictures(network, kept, store, on)
    _write(made, maps, where)
    as_they_are = store.read(store.rows(kept))
    (Pictures(tuple(kept), masks, as_they_are, seen) if kept else NONE).write(pictures)


def _write(made: list[tuple[Maps, pd.DataFrame]], maps: Path, where: Path) -> None:
    """Lay the maps of all models one after the other, and say where each begins."""
    begins = np.cumsum([0, *(values.size for values, _ in made)])
    parts = [of.assign(start=of["start"] + at) for (_, of), at in zip(made, begins, strict=False)]
    with whole(maps) as part, part.open("wb") as file:
        np.save(file, np.concatenate([values.ravel() for values, _ in made]))
    listed = pd.concat(parts, ignore_index=True)
    tables.SALIENCY_INDEX.write(listed[tables.SALIENCY_INDEX.schema.names], where)


def _network(weights: Path, card: Path) -> tuple[Network, tuple[str, ...]]:
    """Return a network and the labels of its logits."""
    described, tensors = _model.read(card, weights)
    return restore(described, tensors), described.labels


def _chosen(
    ids: list[str], truth: tuple[Path, ...], study: Study, size: int
) -> tuple[list[str], NDArray[np.bool_]]:
    """Choose the images of a phantom that are pictured, and draw where their findings are."""
    if not truth:
        return [], NONE.masks
    rows, masks = pick(ids, outlines.from_truth(ids, truth[0], size), study.labels)
    return [ids[row] for row in rows], masks


def _listed(made: Maps, ids: list[str], names: list[tuple[str, str]]) -> pd.DataFrame:
    """Say where each map (images, maps, rows, columns) of a model begins among its own."""
    n_images, n_maps, rows, columns = made.shape
    of, name = zip(*names, strict=True)
    return pd.DataFrame(
        {
            "of": np.tile(np.array(of, object), n_images),
            "name": np.tile(np.array(name, object), n_images),
            "image_id": np.repeat(np.array(ids, object), n_maps),
            "start": rows * columns * np.arange(n_images * n_maps),
            "rows": rows,
            "columns": columns,
        }
    )


if __name__ == "__main__":
    call(explain)
