"""How often the point that a model's map of a label is largest at lies inside the label's mask.

The hit rate of the pointing game (Zhang et al. 2018, Section 4.1; Saporta et al. 2022, "hit
rate"): a map hits where its most salient point is inside the mask, however little of the rest is.
It says nothing of how much of a finding a map covers, and a large mask is hit by chance: the share
of the images that is mask, what a random point would hit, stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.localisation import Maps
from cxrfair.progress import track
from cxrfair.statistics import cells as groups
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import BETWEEN, Cell, known
from cxrfair.statistics.multiplicity import paired_p
from cxrfair.statistics.panels import Panel, join
from cxrfair.statistics.sums import Resampled
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study
from cxrfair.tables import POINTING, UNKNOWN

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
Masks = Mapping[str, tuple[Rows, Bools]]
RATE, GAP = "hit_rate", "gap"


class PointingError(CxrfairError):
    """Maps or masks are not of the labels or images that are asked for."""


@dataclass(frozen=True)
class Outlined:
    """Test images (n) that maps are drawn of, and where their labels are.

    `people` are their rows of `tables.COHORT`, in order. `masks` gives, by label, places among the
    images (k,), each once, and masks (k, size, size); an empty mask counts as none.
    """

    people: pd.DataFrame
    masks: Masks

    @property
    def image_ids(self) -> list[str]:
        """Return the images' ids."""
        return [str(image) for image in self.people["image_id"]]

    def of(self, label: str) -> tuple[Rows, Bools]:
        """Return the images that have a mask of a label with something in it, and these masks."""
        rows, masks = self.masks.get(label, (np.empty(0, np.intp), np.empty((0, 1, 1), np.bool_)))
        seen = np.flatnonzero(masks.any(axis=(1, 2)))
        return rows[seen], masks[seen]


@dataclass(frozen=True)
class _Pairs:
    """Pairs (e) of a label and an image with a mask of it, label by label.

    `rows` and `masks` are of each label. `place` (a * e,) is where a pair counts, once for each
    attribute: label by label, in the order of `cells`. `sums` adds up over these, `n` (places,
    1 + b) is how many they are, and `expected` (places,) the mean share of their images that is
    mask. `listed` describes the rows of a model's table: of each label the cells, then the gaps.
    """

    labels: tuple[str, ...]
    cells: Sequence[Cell]
    rows: tuple[Rows, ...]
    masks: tuple[Bools, ...]
    place: Rows
    sums: Resampled
    n: Array
    expected: Array
    listed: pd.DataFrame
    notes: NDArray[np.object_]

    def draw(self, maps: Maps) -> Array:
        """Return the rows' values of a model in each resample, (rows, 1 + b)."""
        each = [
            hits(of_label(maps, label)[row], mask)
            for label, row, mask in zip(self.labels, self.rows, self.masks, strict=True)
        ]
        hit = self.sums.add(self.place, self._repeated(np.concatenate(each)), len(self.n))
        with np.errstate(invalid="ignore"):  # none of the patients drawn has a mask: NaN
            rate = (hit / self.n).reshape(len(self.labels), len(self.cells), -1)
        gaps = [_gap(rate[:, members]) for members in known(self.cells).values()]
        return np.concatenate([rate, *gaps], axis=1).reshape(len(self.listed), -1)

    def table(self, own: Array, reference: Array | None, uncertainty: Uncertainty) -> pd.DataFrame:
        """Return the rows of one model with intervals and differences."""
        n = self.listed["n"].to_numpy(np.float64)
        trials = np.where((self.listed["statistic"] == RATE) & (n > 0), n, np.nan)
        found = Panel(self.listed, own, trials, self.notes).beside(reference, uncertainty)
        apart = np.full_like(own, np.nan) if reference is None else own - reference
        return found.assign(expected=self.expected, p_value=paired_p(apart))

    def _repeated(self, term: Array) -> Array:
        """Repeat what is known of the pairs for each attribute."""
        return np.tile(term, len(self.place) // max(len(term), 1))


def hits(values: Floats, masks: Bools) -> Array:
    """Tell how far each map (k, rows, columns) hits its mask (k, height, width): (k,), 0 to 1.

    The point of a map is the centre of its largest cell, in the mask's pixels: of a grid of `rows`
    over `height` pixels, the centre of cell i lies in pixel floor((i + 0.5) height / rows). Where
    several cells are equally large, the value is the share of them that hit: what one drawn among
    them at random is expected to. A map that is the same everywhere is a tie of all its cells.
    """
    down, across = (
        _centres(count, size) for count, size in zip(values.shape[1:], masks.shape[1:], strict=True)
    )
    inside = masks[:, down][:, :, across]
    largest = values == values.max(axis=(1, 2), keepdims=True)
    found: Array = (largest & inside).sum(axis=(1, 2)) / largest.sum(axis=(1, 2))
    return found


def of_label(maps: Maps, label: str) -> Floats:
    """Return the map of a label in each image, (n, rows, columns), as it is drawn, with its signs.

    A model whose one map is of no label says the same of each.

    Raises
    ------
    PointingError
        If a model draws maps of labels, and none of this one; or several maps of no label.
    """
    if maps.of and label not in maps.of:
        raise PointingError(f"maps: none of {label!r}; have {', '.join(maps.of)}")
    if not maps.of and maps.values.shape[1] != 1:
        raise PointingError(f"maps: {maps.values.shape[1]} of no label an image; allowed: 1")
    found: Floats = maps.values[:, maps.of.index(label) if maps.of else 0]
    return found


def point(
    where: tuple[str, str],
    study: Study,
    models: Mapping[tuple[str, int], Maps],
    images: Outlined,
    uncertainty: Uncertainty,
) -> pd.DataFrame:
    """Let every model point at every label of a study in the images that have a mask of it.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    models
        Maps by variant and seed, of the same images; each is asked for when it is needed.

    Returns
    -------
    DataFrame
        Rows of `tables.POINTING`: of each label, `hit_rate` (`hits`, mean over images) of all
        images and of each group of the study's attributes, with `expected`, the mean share of an
        image that is mask; and the `gap` between the known groups of an attribute, the largest
        less the smallest hit rate of those with a mask. Intervals: percentiles over resampled
        patients of all images with maps, the same for every model; of a rate of few images
        Wilson's. NaN with a note where no image of a group, or of fewer than two groups, has a
        mask. The difference is from the same seed of the variant that this one is compared with.

    Raises
    ------
    PointingError
        If a model has no map of a label (`of_label`).
    LocalisationError
        If a model has no map of an image.
    """
    pairs = _list(study, images, uncertainty)
    found, what = [POINTING.empty()], f"point {where[0]} {where[1]}"
    draws = {
        key: pairs.draw(maps.at(images.image_ids))
        for key, maps in track(models.items(), what, "models", len(models))
    }
    for (variant, seed), own in draws.items():
        other = draws.get((study.compared_with(variant), seed))
        table = pairs.table(own, other, uncertainty)
        found.append(table.assign(variant=variant, seed=seed))
    every = pd.concat(found[1:] or found, ignore_index=True)
    every = every.assign(study=where[0], dataset=where[1])
    return every.reindex(columns=POINTING.schema.names)


def _list(study: Study, images: Outlined, uncertainty: Uncertainty) -> _Pairs:
    """List the pairs of a study's labels and images, and where each counts."""
    patient, names = pd.factorize(images.people["patient_id"].to_numpy(object), sort=True)
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed).T
    cells = groups.make(images.people.reset_index(drop=True), study.attributes)
    rows, masks = zip(*(images.of(label) for label in study.labels), strict=True)
    row = np.concatenate(rows)
    label = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    inside = _inside(cells, len(images.people))
    place = (label * len(cells) + inside[:, row]).ravel()
    repeated = np.tile(row, len(inside))
    sums = Resampled(patient[repeated].astype(np.intp), np.ones(len(place)), counts)
    n = sums.add(place, np.ones(len(place)), len(rows) * len(cells))
    area = np.tile(np.concatenate([of.mean(axis=(1, 2)) for of in masks]), len(inside))
    listed = _listed(study, cells, [patient[each] for each in rows], rows)
    with np.errstate(invalid="ignore"):  # no image with a mask: NaN
        share = np.bincount(place, area, len(n)) / n[:, 0]
    expected = np.full((len(rows), len(listed) // len(rows)), np.nan)
    expected[:, : len(cells)] = share.reshape(len(rows), -1)
    notes = _notes(listed, uncertainty.min_group_size)
    return _Pairs(study.labels, cells, rows, masks, place, sums, n, expected.ravel(), listed, notes)


def _inside(cells: Sequence[Cell], n: int) -> Rows:
    """Return which cell each of n images is in, (1 + attributes, n): every one in one of each."""
    attributes = list(dict.fromkeys(cell.attribute for cell in cells))
    found = np.empty((len(attributes), n), np.intp)
    for number, cell in enumerate(cells):
        found[attributes.index(cell.attribute), cell.rows] = number
    return found


def _listed(
    study: Study, cells: Sequence[Cell], patient: Sequence[Rows], rows: Sequence[Rows]
) -> pd.DataFrame:
    """Count the images and the patients behind each row of a model's table."""
    members = known(cells)
    together = [np.concatenate([cells[i].rows for i in of] or [np.empty(0, np.intp)])
                for of in members.values()]  # fmt: skip
    places = [(cell.attribute, cell.group, RATE, cell.rows) for cell in cells]
    places += [(name, BETWEEN, GAP, of) for name, of in zip(members, together, strict=True)]
    found = []
    for label, row, people in zip(study.labels, rows, patient, strict=True):
        for attribute, group, statistic, inside in places:
            mine = np.isin(row, inside)
            counted = {"n": int(mine.sum()), "n_patients": len(np.unique(people[mine]))}
            place = {"label": label, "attribute": attribute, "group": group}
            found.append({**place, "statistic": statistic, **counted})
    return pd.DataFrame(found)


def _gap(rate: Array) -> Array:
    """Return the largest less the smallest of rates (labels, groups, 1 + b): (labels, 1, 1 + b).

    Of the groups that have a rate in the sample; NaN with fewer than two of them, and in a resample
    in which one of them has none.
    """
    defined = ~np.isnan(rate[..., :1])
    high = np.where(defined, rate, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(defined, rate, np.inf).min(axis=1, initial=np.inf)
    enough = defined.sum(axis=1) > 1
    found = np.full(high.shape, np.nan)
    np.subtract(high, low, out=found, where=np.broadcast_to(enough, high.shape))
    return found[:, None]


def _centres(count: int, size: int) -> Rows:
    """Return the pixel, of `size` along a side, that the centre of each of `count` cells is in."""
    return (2 * np.arange(count, dtype=np.intp) + 1) * size // (2 * count)


def _notes(listed: pd.DataFrame, least: int) -> NDArray[np.object_]:
    """Say which rows have few images, or none, and which gaps such groups enter or lack."""
    rates = listed[(listed["statistic"] == RATE) & (listed["group"] != UNKNOWN)]
    notes = listed["n"].map(lambda n: _of_rate(n, least)).to_numpy(object)
    for row in np.flatnonzero(listed["statistic"] == GAP):
        here = listed.loc[row, ["label", "attribute"]]
        notes[row] = _of_gap(rates[rates[["label", "attribute"]].eq(here).all(axis=1)], least)
    return notes


def _of_rate(n: int, least: int) -> str:
    """Say that few images have a mask, or none."""
    if n == 0:
        return "no image with a mask"
    return f"fewer than {least} images" if n < least else ""


def _of_gap(rates: pd.DataFrame, least: int) -> str:
    """Say which groups are not in a gap, and which enter it with few images."""
    none = rates.loc[rates["n"] == 0, "group"]
    few = rates.loc[rates["n"].between(1, least - 1), "group"]
    if len(rates) - len(none) < 2:
        return "fewer than two groups with a mask"
    left = f"groups without a mask left out: {', '.join(none)}" if len(none) else ""
    small = f"enters with fewer than {least} images: {', '.join(few)}" if len(few) else ""
    return join(left, small)
