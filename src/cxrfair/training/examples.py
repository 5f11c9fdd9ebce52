"""Tables to arrays: what is trained on, and what is validated on."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.labels import IN_DOUBT, SOFT, judged
from cxrfair.lookup import places
from cxrfair.methods import Groups
from cxrfair.studies import SEPARATOR
from cxrfair.training.guidance import Guidance

NOISE = 0.05  # of each number's SD over the training images


@dataclass(frozen=True)
class Blend:
    """Which of n examples are mixed with another image's vector, and how.

    `partner` (n,) is that one's row in the store, -1 where there is none; `share` (n,) in [0, 1],
    of the partner; `noise` (d,) the SD of what is added to each number of a mixture.
    """

    partner: NDArray[np.int64]
    share: NDArray[np.float32]
    noise: NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """n examples: `row` in the store, `target` (n, k) with NaN, `group`, `weight`, `key` (n,).

    A target is 0, 1 or, of a label that is learnt with its doubt, between. `blend` is None where
    every example is the image itself, `guidance` None where no masks are shown.
    """

    row: NDArray[np.int64]
    target: NDArray[np.float32]
    group: NDArray[np.int64]
    weight: NDArray[np.float64]
    key: NDArray[np.int64]  # what an example's random augmentation is drawn from
    blend: Blend | None = None
    guidance: Guidance | None = None

    def __len__(self) -> int:
        return len(self.row)


def target_matrix(targets: pd.DataFrame, ids: pd.Series, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return targets (n, k) in the order of `ids` and `labels`, NaN where there is none.

    Those in doubt are `IN_DOUBT`.
    """
    wanted = ids.drop_duplicates()
    rows, columns = places(targets["image_id"], wanted), places(targets["label"], pd.Index(labels))
    asked = (rows >= 0) & (columns >= 0)
    wide = np.full((len(wanted), len(labels)), np.nan, np.float32)
    values = targets["target"].to_numpy(np.float32, na_value=np.nan)
    wide[rows[asked], columns[asked]] = values[asked]
    return pd.DataFrame(wide[places(ids, wanted)], index=ids, columns=list(labels))


def group_index(
    cohort: pd.DataFrame, matrix: pd.DataFrame, by: tuple[str, ...]
) -> tuple[NDArray[np.int64], Groups]:
    """Give each image the number of its cell of the columns `by`; no column is one group `all`.

    Columns are attributes or labels; an image without a target for such a label is `missing`.

    `cohort` and `matrix` have the same images in the same order.
    """
    if not by:
        return np.zeros(len(cohort), np.int64), Groups(("all",), (len(cohort),))
    # By position: a training list may hold an image several times.
    words = {str(label): matrix[label].map(_word).to_numpy() for label in matrix}
    columns = cohort.drop(columns="image_id").assign(**words)
    if unknown := [name for name in by if name not in columns]:
        raise CxrfairError(f"groups: no {unknown}; allowed: {', '.join(map(str, columns.columns))}")
    cells = reduce(_crossed, (columns[name].astype(str) for name in by))
    codes, found = pd.factorize(cells, sort=True)
    counts = np.bincount(codes, minlength=len(found))
    return codes.astype(np.int64), Groups(tuple(map(str, found)), tuple(map(int, counts)))


def training_examples(
    listed: pd.DataFrame,
    cohort: pd.DataFrame,
    targets: pd.DataFrame,
    store: Store,
    choice: tuple[tuple[str, ...], tuple[str, ...]],
) -> tuple[Examples, Groups]:
    """Join a training list to pixels, targets and groups; `choice` is (labels, group columns).

    From a target in doubt `SOFT` is learnt. Not so of a label that groups are made of: such an
    image has no such group and is not learnt from for that label, as if its doubt were ignored. Its
    loss can never be small, so that a method that looks for the worst group would find nothing
    else.

    Raises
    ------
    CxrfairError
        If the list lacks a class of a label, or a group that the cohort (of all folds) has; or if
        it mixes images in a way that cannot be (see `Blend`).
    """
    labels, by = choice
    matrix = target_matrix(targets, listed["image_id"], labels)
    cells = [label for label in labels if label in by]
    matrix[cells] = matrix[cells].mask(matrix[cells] == IN_DOUBT)
    matrix = matrix.replace(IN_DOUBT, SOFT)
    rows = places(listed["image_id"], cohort["image_id"])
    people = cohort.reset_index(drop=True).reindex(rows).reset_index(drop=True)
    group, groups = group_index(people, matrix, by)
    _refuse_one_class(matrix)
    _refuse_absent(groups, cohort, targets[targets["label"].isin(cells)], by)
    rows = store.rows(listed["image_id"].tolist())
    weight = listed["weight"].to_numpy(np.float64)
    key = listed["augmentation_seed"].to_numpy(np.int64)
    blend = _blend(listed, rows, store)
    return Examples(rows, matrix.to_numpy(np.float32), group, weight, key, blend), groups


def held_out_examples(
    ids: pd.Series, targets: pd.DataFrame, store: Store, labels: tuple[str, ...]
) -> Examples:
    """Join images to pixels and targets; groups, weights and keys play no part in judging.

    Nobody is judged by a target in doubt.
    """
    certain = targets.assign(target=judged(targets["target"]))
    matrix = target_matrix(certain, ids, labels).to_numpy(np.float32)
    nothing = np.zeros(len(ids), np.int64)
    even = np.ones(len(ids), np.float64)
    return Examples(store.rows(ids.tolist()), matrix, nothing, even, nothing)


def _blend(listed: pd.DataFrame, rows: NDArray[np.int64], store: Store) -> Blend | None:
    """Note which examples are mixtures; None if none is."""
    if "partner" not in listed:
        return None
    mixed, share = listed["partner"].notna(), listed["share"].astype("float64")
    sound = share.between(0, 1).where(mixed, share.isna())
    if wrong := int((~sound).sum()):
        raise CxrfairError(
            f"training list: {wrong} rows with a partner or a share of it alone; allowed: "
            "neither, or both and a share of 0 to 1"
        )
    if not mixed.any():
        return None
    if not store.holds_vectors:
        raise CxrfairError(
            f"training list: {int(mixed.sum())} rows mix images; that is allowed of vectors alone"
        )
    partner = np.full(len(rows), -1, np.int64)
    partner[mixed.to_numpy()] = store.rows(listed.loc[mixed, "partner"].tolist())
    _, sd = store.moments(rows)
    return Blend(partner, share.fillna(0).to_numpy(np.float32), (NOISE * sd).astype(np.float32))


def _crossed(one: pd.Series, other: pd.Series) -> pd.Series:
    return one + SEPARATOR + other


def _word(value: float) -> str:
    return "missing" if np.isnan(value) else str(int(value))


def _refuse_one_class(matrix: pd.DataFrame) -> None:
    """Say before training that a label lacks positives or negatives and cannot be learnt."""
    for label, column in matrix.items():
        positive, negative = int((column == 1).sum()), int((column == 0).sum())
        if not positive or not negative:
            counts = f"{positive} positive, {negative} negative"
            raise CxrfairError(f"training list, label {label}: {counts}; both classes are needed")


def _refuse_absent(
    groups: Groups, cohort: pd.DataFrame, targets: pd.DataFrame, by: tuple[str, ...]
) -> None:
    """Say before training that a group which somebody belongs to has no image to learn from.

    `targets` are those of the labels that groups are made of. Without one an image is in no group
    that could be learnt or judged, so that cells of a missing label may be absent.
    """
    certain = targets.assign(target=judged(targets["target"]))
    cells = tuple(name for name in by if name in set(targets["label"]))
    matrix = target_matrix(certain, cohort["image_id"], cells)
    known = matrix.notna().all(axis=1).to_numpy()
    code, everyone = group_index(cohort, matrix, by)
    present = [everyone.names[number] for number in np.unique(code[known])]
    if absent := [name for name in present if name not in groups.names]:
        raise CxrfairError(
            f"training list: no image of {len(absent)} groups ({', '.join(absent)}); every group "
            f"of the cohort by {' and '.join(by)} needs one"
        )
