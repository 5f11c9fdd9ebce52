"""How far what speaks for a label in an image is what speaks for an attribute of the patient.

Two maps of an image, each of its largest fifth: do they point at the same place? Figure 4 of Fair
Diagnosis shows such maps and says of vanilla that they overlap "highly"; here it is a number, the
Dice of the two areas, beside what unrelated areas would give, and beside what the same network's
areas in other images would: what a network owes to habit. A saliency map is no proof of what a
network uses; effects are measured elsewhere, on phantoms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.localisation import looked_at
from cxrfair.lookup import places
from cxrfair.progress import track
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.panels import Panel
from cxrfair.statistics.sums import Resampled
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.tables import OVERLAP, SALIENCY_INDEX

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
TOP = 0.2  # the share of an image's area, where a map is largest
LABEL, ATTRIBUTE = "label", "attribute"
BLANK = "maps that are the same everywhere left out"


class OverlapError(CxrfairError):
    """Saliency maps are not there, or of other images than expected."""


@dataclass(frozen=True)
class Images:
    """Images (n) that maps are made of, whose they are, and their pixels a side."""

    image_ids: list[str]
    patient_ids: list[str]
    size: int


@dataclass(frozen=True)
class Saliency:
    """Maps of all models of a data set: `values`, map after map, and `tables.SALIENCY_INDEX`."""

    values: Floats
    index: pd.DataFrame

    @classmethod
    def read(cls, values: Path, index: Path) -> "Saliency":
        """Read what stage `explain` wrote."""
        return cls(np.load(values), SALIENCY_INDEX.read(index))

    def maps(
        self, model: tuple[str, int], what: tuple[str, str], image_ids: Sequence[str]
    ) -> Floats:
        """Return the maps (n, rows, columns) that a model makes of images, on its own grid.

        Parameters
        ----------
        model
            Variant and seed.
        what
            `label` or `attribute`, and its name.

        Raises
        ------
        OverlapError
            If an image has none.
        """
        asked = [*model, *what]
        mine = self.index[self.index[["variant", "seed", "of", "name"]].eq(asked).all(axis=1)]
        found = places(pd.Series(list(image_ids), dtype="str"), mine["image_id"])
        if lost := int((found < 0).sum()) or not len(found):
            told = f"{model[0]}, seed {model[1]}, {what[0]} {what[1]}"
            raise OverlapError(f"saliency: {int(lost)} of {len(found)} maps of {told} are missing")
        row = mine.iloc[found]
        rows, columns = (int(row[name].iloc[0]) for name in ("rows", "columns"))
        at = row["start"].to_numpy()[:, None] + np.arange(rows * columns)
        return self.values[at].reshape(-1, rows, columns)


def enlarge(maps: Floats, size: int) -> Floats:
    """Enlarge maps (n, rows, columns) to (n, size, size), linearly between the middles of cells.

    Beyond the outermost middles nothing changes: what pytorch_grad_cam does, by OpenCV.
    """
    down, across = (_between(count, size) for count in maps.shape[1:])
    large: Floats = np.matmul(down @ maps.astype(np.float64), across.T).astype(np.float32)
    return large


def areas(maps: Floats, size: int, share: float = TOP) -> Bools:
    """Return the pixels of largest saliency, (n, size * size): the `share` of an image, at most.

    Pixels at 0 are never among them, so that an area may be smaller; of a map that is 0 everywhere
    it is empty. Of equals the first is taken, as by `localisation.looked_at`.

    Parameters
    ----------
    maps
        Shape (n, rows, columns), nowhere below 0.
    """
    seen = enlarge(maps, size).reshape(len(maps), -1)
    return looked_at(seen, share) & (seen > 0)


def dice(one: Bools, other: Bools) -> Array:
    """Return 2 |A and B| / (|A| + |B|) of areas (n, p): (n,), NaN where either is empty."""
    both = (one & other).sum(axis=1)
    return _ratio(both, one.sum(axis=1), other.sum(axis=1))


def elsewhere(one: Bools, other: Bools) -> Array:
    """Return, of each area (n, p), the mean Dice with the `other` ones of all other images (n,).

    NaN where an area is empty; empty ones are left out of means. NaN for all of a single image.
    """
    first, second = one.sum(axis=1), other.sum(axis=1)
    both = np.matmul(one, other.T, dtype=np.float64)  # whole numbers: exact
    pairs = _ratio(both, first[:, None], second[None, :])
    np.fill_diagonal(pairs, np.nan)
    known = ~np.isnan(pairs)
    with np.errstate(invalid="ignore"):  # no other image: NaN
        means: Array = np.where(known, pairs, 0).sum(axis=1) / known.sum(axis=1)
    return means


def unrelated(one: Bools, other: Bools) -> Array:
    """Return the Dice (n,) to expect of areas (n, p) of these sizes that know nothing of another.

    2 a b / (a + b), where a and b are shares of the image; a where they are equal.
    """
    first, second = one.mean(axis=1), other.mean(axis=1)
    return _ratio(first * second, first, second)


def overlap(
    where: tuple[str, str],
    study: Study,
    saliency: Saliency,
    images: Images,
    uncertainty: Uncertainty,
) -> pd.DataFrame:
    """Measure how far each model's maps of labels and of attributes point at the same places.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    study
        Its labels are paired with the attributes of its `effects`.

    Returns
    -------
    DataFrame
        Rows of `tables.OVERLAP`. `value` is the Dice of the two areas (`areas`) in an image, mean
        over the images of which both maps have one; the others are counted as `blank`. `expected`
        and `elsewhere`: see `unrelated` and `elsewhere`, over the same images. Intervals are
        percentiles over resampled patients of all images, the same for every model; so
        differences, from the same seed of what a variant is compared with, are paired. NaN with a
        note where no image has both areas.

    Raises
    ------
    OverlapError
        If a model lacks a map.
    """
    patient, names = pd.factorize(np.array(images.patient_ids, object), sort=True)
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed).T
    listed = saliency.index[["variant", "seed"]].drop_duplicates().itertuples(index=False)
    models = [(str(variant), int(seed)) for variant, seed in listed]
    pairs, draws, tables = list(product(study.labels, study.effects)), {}, {}
    for model in track(models, f"overlap {where[0]} {where[1]}", "models", len(models)):
        found = _measure(saliency, model, pairs, images)
        row, pair = np.nonzero(~np.isnan(found[0]))
        sums = Resampled(patient[row].astype(np.intp), np.ones(len(row)), counts)
        draws[model] = _mean(sums, pair, found[0][row, pair], len(pairs))
        tables[model] = _listed(pairs, study, found, patient)
    rows = [OVERLAP.empty()]
    for model, own in draws.items():
        other = draws.get((study.compared_with(model[0]), model[1]))
        told = _told(tables[model], own, other, uncertainty)
        rows.append(told.assign(variant=model[0], seed=model[1]))
    every = pd.concat(rows[1:] or rows, ignore_index=True)
    every = every.assign(study=where[0], dataset=where[1])
    return every.reindex(columns=OVERLAP.schema.names)


def _between(count: int, size: int) -> Array:
    """Return how much of each of `count` cells each of `size` pixels takes up: (size, count)."""
    middle = (np.arange(size) + 0.5) * count / size - 0.5
    middle = np.clip(middle, 0, count - 1)
    share: Array = np.clip(1 - np.abs(middle[:, None] - np.arange(count)), 0, None)
    return share


def _ratio(both: Array, first: Array, second: Array) -> Array:
    """Return 2 both / (first + second), NaN where either of these is 0."""
    there = (first > 0) & (second > 0)
    found: Array = np.where(there, 2.0 * both / np.where(there, first + second, 1), np.nan)
    return found


def _measure(
    saliency: Saliency,
    model: tuple[str, int],
    pairs: Sequence[tuple[str, str]],
    images: Images,
) -> Array:
    """Return Dice, what is expected and what is elsewhere of each image and pair: (3, n, pairs)."""

    def seen(of: str, name: str) -> Bools:
        return areas(saliency.maps(model, (of, name), images.image_ids), images.size)

    labels = {name: seen(LABEL, name) for name in dict.fromkeys(label for label, _ in pairs)}
    attributes = {name: seen(ATTRIBUTE, name) for name in dict.fromkeys(name for _, name in pairs)}
    both = [(labels[label], attributes[name]) for label, name in pairs]
    takes = (dice, unrelated, elsewhere)
    return np.stack([np.stack([take(*each) for each in both], axis=1) for take in takes])


def _mean(sums: Resampled, pair: NDArray[np.intp], term: Array, n_pairs: int) -> Array:
    """Return the mean term of each pair in each resample, (pairs, 1 + b)."""
    total, n = (sums.add(pair, each, n_pairs) for each in (term, np.ones(len(term))))
    with np.errstate(invalid="ignore"):  # none of the patients drawn has both areas: NaN
        means: Array = total / n
    return means


def _listed(
    pairs: Sequence[tuple[str, str]], study: Study, found: Array, patient: NDArray[np.intp]
) -> pd.DataFrame:
    """Describe each pair: its values, its images and their patients."""
    known = ~np.isnan(found) & ~np.isnan(found[0])
    ends: Mapping[str, tuple[str, str]] = study.effects
    with np.errstate(invalid="ignore"):  # no image has both areas: NaN
        means = np.where(known, found, 0).sum(axis=1) / known.sum(axis=1)
    return pd.DataFrame(
        {
            "label": [label for label, _ in pairs],
            "attribute": [name for _, name in pairs],
            "minus": [ends[name][0] for _, name in pairs],
            "plus": [ends[name][1] for _, name in pairs],
            "expected": means[1],
            "elsewhere": means[2],
            "n": known[0].sum(axis=0),
            "n_patients": [len(np.unique(patient[column])) for column in known[0].T],
            "blank": (~known[0]).sum(axis=0),
        }
    )


def _told(
    listed: pd.DataFrame, draws: Array, reference: Array | None, uncertainty: Uncertainty
) -> pd.DataFrame:
    """Return the values of one model with their intervals."""
    counted, least = zip(listed["n"], listed["blank"], strict=True), uncertainty.min_group_size
    notes = np.array([_note(n, blank, least) for n, blank in counted], object)
    own = Panel(listed, draws, np.full(len(listed), np.nan), notes)
    return own.beside(reference, uncertainty)


def _note(n: int, blank: int, least: int) -> str:
    """Say that there are few images, or none, and that maps were left out."""
    if n == 0:
        return "no image has both areas"
    few = f"fewer than {least} images" if n < least else ""
    return "; ".join(filter(None, (few, BLANK if blank else "")))
