"""How much of where a network looks lies inside the findings of an image.

A network looks at the cells of its grid with the largest salience. That a cell lies outside a mask
does not make it wrong: labels are of whole images, the shadow of a finding reaches beyond its
outline, and what says that there is none is nowhere in particular. So the share inside is set
beside what looking anywhere would give, and beside that of other networks on the same images.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.lookup import places
from cxrfair.progress import track
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.intervals import percentile
from cxrfair.statistics.panels import Panel
from cxrfair.statistics.sums import Resampled
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.statistics.versus import ANY
from cxrfair.studies import Study
from cxrfair.tables import LOCALISATION, MAP_INDEX

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]
Masks = Mapping[str, tuple[Rows, Bools]]
SIGNED = "class_activation"  # maps whose values below zero speak against a label
KINDS = (SIGNED, "attention", "relevance")
NO_DISEASE = "support_devices"  # has an outline, and yet an image with it may have no finding


class LocalisationError(CxrfairError):
    """Maps are not what they should be, or of other images than expected."""


@dataclass(frozen=True)
class Maps:
    """Maps of a model, `values` (n, m, rows, columns), of the images `image_ids` (n).

    `kind` says what they are (`KINDS`); `of` names the m maps, and is empty for one of no label.
    """

    kind: str
    of: tuple[str, ...]
    image_ids: list[str]
    values: NDArray[np.float32]

    @classmethod
    def read(cls, values: Path, index: Path, about: Path) -> "Maps":
        """Read what stage `draw` wrote.

        Raises
        ------
        LocalisationError
            If the maps are of a kind that nobody knows.
        """
        told = json.loads(about.read_text(encoding="utf-8"))
        if told["name"] not in KINDS:
            raise LocalisationError(f"{about}: {told['name']!r}; allowed: {', '.join(KINDS)}")
        listed = MAP_INDEX.read(index)
        stored = np.load(values, mmap_mode="r")
        rows = np.asarray(stored[listed["row"].to_numpy()])
        return cls(told["name"], tuple(told["of"]), listed["image_id"].tolist(), rows)

    def at(self, image_ids: Sequence[str]) -> "Maps":
        """Return the maps of some images, in that order.

        Raises
        ------
        LocalisationError
            If an image has none.
        """
        row = places(pd.Series(image_ids, dtype="str"), pd.Index(self.image_ids))
        if lost := int((row < 0).sum()):
            raise LocalisationError(f"maps: {lost} of {len(row)} images have none; allowed: 0")
        return Maps(self.kind, self.of, list(image_ids), self.values[row])

    @property
    def grid(self) -> tuple[int, int]:
        """Return the rows and columns of a map."""
        return self.values.shape[2], self.values.shape[3]

    @property
    def strength(self) -> NDArray[np.float32]:
        """Return how strongly each map points at each cell, (n, m, p), cells row by row."""
        values = np.abs(self.values) if self.kind == SIGNED else self.values
        return values.reshape(*values.shape[:2], -1)

    def looked_at(self, share: float) -> Bools:
        """Return the cells looked at, (n, p): see `looked_at`."""
        return looked_at(self.strength.max(axis=1), share)


@dataclass(frozen=True)
class Images:
    """Images (n) that maps are drawn of: their ids, whose they are, and their findings' masks.

    `masks` gives, by finding, places among the images (k,) and masks (k, size, size).
    """

    image_ids: list[str]
    patient_ids: list[str]
    masks: Masks

    def outlined(self) -> Masks:
        """Return the masks of each finding, after `any`: the union of an image's findings.

        Support devices are no finding: an image with nothing else is not among those of `any`.
        """
        disease = {name: of for name, of in self.masks.items() if name != NO_DISEASE}
        rows = np.unique(np.concatenate([np.empty(0, np.intp), *(r for r, _ in disease.values())]))
        sides = [mask.shape[1:] for _, mask in self.masks.values()] or [(1, 1)]
        union = np.zeros((len(rows), *sides[0]), np.bool_)
        for row, mask in disease.values():
            union[np.searchsorted(rows, row)] |= mask
        return {ANY: (rows, union), **self.masks}


@dataclass(frozen=True)
class _Entries:
    """Pairs (e) of an image and a label of which it has a mask, label by label.

    `row` (e,) is the image's place, `label` (e,) that among `labels`, each with its own of `masks`.
    `sums` adds up what is known of the pairs.
    """

    labels: tuple[str, ...]
    row: Rows
    label: Rows
    masks: tuple[Bools, ...]
    sums: Resampled
    _inside: dict[tuple[int, int], Array] = field(default_factory=dict)

    def inside(self, grid: tuple[int, int]) -> Array:
        """Return the share of each cell of a grid that is inside the pair's mask, (e, p)."""
        if grid not in self._inside:
            parts = [cells_inside(mask, grid) for mask in self.masks]
            self._inside[grid] = np.concatenate(parts)
        return self._inside[grid]

    def listed(self) -> pd.DataFrame:
        """Count the images and the patients of each label."""
        n = np.bincount(self.label, minlength=len(self.labels))
        pairs = np.unique(np.stack([self.label, self.sums.patient]), axis=1)
        people = np.bincount(pairs[0], minlength=len(self.labels))
        return pd.DataFrame({"label": self.labels, "n": n, "n_patients": people})

    def draw(self, seen: Bools, inside: Array) -> Array:
        """Return value, expected, elsewhere and lift in each resample, (4, labels, 1 + b).

        Parameters
        ----------
        seen
            Cells looked at in all images, (n, p).
        inside
            As `inside` gives it.
        """
        own, count = seen[self.row], seen[0].sum()
        others = (seen.sum(axis=0) - own) / max(len(seen) - 1, 1)
        elsewhere = (
            (others * inside).sum(axis=1) / count if len(seen) > 1 else inside[:, 0] * np.nan
        )
        looked = (own * inside).sum(axis=1) / count
        terms = (looked, inside.mean(axis=1), elsewhere, np.ones(len(own)))
        *sums, n = (self.sums.add(self.label, term, len(self.labels)) for term in terms)
        with np.errstate(invalid="ignore"):  # none of the patients drawn has a mask: NaN
            return np.stack([*(each / n for each in sums), sums[0] / sums[1]])


def looked_at(salience: NDArray[np.float32], share: float) -> Bools:
    """Tell which of p cells of each image are among the ceil(share p) of largest salience (n, p).

    Of equals the first is taken, as `stride_net` selects its patches: where `share` is what that
    network keeps, these are its patches.
    """
    if not 0 < share <= 1:
        raise LocalisationError(f"draw.share: {share}; allowed: above 0, at most 1")
    count = math.ceil(share * salience.shape[1])
    order = np.argsort(-salience, axis=1, kind="stable")[:, :count]
    found = np.zeros(salience.shape, np.bool_)
    np.put_along_axis(found, order, values=True, axis=1)
    return found


def cells_inside(masks: Bools, grid: tuple[int, int]) -> Array:
    """Return the share of each cell's area that lies inside masks (k, height, width): (k, p).

    The grid divides the image evenly; a pixel that a border cuts belongs to both sides in part.
    """
    down, across = (_overlap(count, n) for count, n in zip(grid, masks.shape[1:], strict=True))
    inside: Array = np.matmul(down @ masks.astype(np.float64), across.T)
    return inside.reshape(len(masks), math.prod(grid))


def localise(
    where: tuple[str, str],
    study: Study,
    models: Mapping[tuple[str, int], Maps],
    images: Images,
    share: float,
    uncertainty: Uncertainty,
) -> pd.DataFrame:
    """Measure where each model looks against the findings of the images its maps are of.

    Parameters
    ----------
    where
        Names of the study and of the data set.
    study
        It says which variant's same seed another is told the difference from.
    models
        Maps by variant and seed, of the same images.
    share
        Of the cells, those that count as looked at (`looked_at`).

    Returns
    -------
    DataFrame
        Rows of `tables.LOCALISATION`, for `any` finding and for each that has a mask. `value` is
        the share of what is looked at that lies inside the image's masks, mean over the images
        with one; `expected` the share of those images that is mask, which looking anywhere would
        give; `lift` the one over the other. `elsewhere` is what the model would reach if it looked
        where it looks in the other images: what it owes to habit. Intervals: percentiles over
        resampled patients of all images with maps, the same for every model. NaN with a note where
        no image has a mask.

    Raises
    ------
    LocalisationError
        If a model has no map of an image, or `share` is none.
    """
    outlined = images.outlined()
    patient, names = pd.factorize(np.array(images.patient_ids, object), sort=True)
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed).T
    entries = _list(outlined, patient.astype(np.intp), counts)
    draws, looked = {}, {}
    what = f"localise {where[0]} {where[1]}"
    for model, maps in track(models.items(), what, "models", len(models)):
        seen = maps.at(images.image_ids).looked_at(share)
        looked[model] = float(seen[0].mean())
        draws[model] = entries.draw(seen, entries.inside(maps.grid))
    listed, found = entries.listed(), [LOCALISATION.empty()]
    for (variant, seed), own in draws.items():
        other = draws.get((study.compared_with(variant), seed))
        table = _table(listed, own, other, uncertainty)
        found.append(table.assign(variant=variant, seed=seed, looked_at=looked[variant, seed]))
    every = pd.concat(found[1:] or found, ignore_index=True)
    every = every.assign(study=where[0], dataset=where[1])
    return every.reindex(columns=LOCALISATION.schema.names)


def _list(outlined: Masks, patient: Rows, counts: Array) -> "_Entries":
    """List the images with a mask, label by label; `patient` (n,) are all images' columns."""
    rows, masks = zip(*outlined.values(), strict=True)
    row = np.concatenate(rows)
    label = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    sums = Resampled(patient[row], np.ones(len(row)), counts)
    return _Entries(tuple(outlined), row, label, masks, sums)


def _overlap(count: int, length: int) -> Array:
    """Return how much of each of `count` even parts of a side each pixel makes up: (count, n)."""
    edge = np.linspace(0, length, count + 1)
    low, high = np.maximum.outer(edge[:-1], np.arange(length)), np.arange(1, length + 1)
    shared = np.minimum.outer(edge[1:], high) - low
    found: Array = np.clip(shared, 0, None) * (count / length)
    return found


def _table(
    listed: pd.DataFrame, draws: Array, reference: Array | None, uncertainty: Uncertainty
) -> pd.DataFrame:
    """Return the values of one model with their intervals."""
    notes = np.array([_note(n, uncertainty.min_group_size) for n in listed["n"]], object)
    own = Panel(listed, draws[0], np.full(len(listed), np.nan), notes)
    lift = percentile(draws[3][:, 1:], uncertainty.confidence)
    return own.beside(None if reference is None else reference[0], uncertainty).assign(
        **{"expected": draws[1][:, 0], "elsewhere": draws[2][:, 0], "lift": draws[3][:, 0]},
        **{"lift_low": lift[0], "lift_high": lift[1]},
    )


def _note(n: int, least: int) -> str:
    """Say that a finding has few images, or none."""
    if n == 0:
        return "no image with a mask"
    return f"fewer than {least} images" if n < least else ""
