"""Folds, by patient: nobody's images are on both sides of a split."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, model_validator

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash
from cxrfair.lookup import places
from cxrfair.studies import SEPARATOR

Amount = Annotated[float, Field(gt=0)]  # a share of patients, or a number of images
By = Literal["fraction", "counts", "kfold", "official", "external"]

NEEDS: Mapping[By, tuple[str, ...]] = {  # each kind's own settings
    "fraction": ("validation", "test"),
    "counts": ("train", "validation", "test"),
    "kfold": ("folds", "fold"),
    "official": ("validation",),
    "external": (),
}
STRATA = ("sex", "age", "race", "insurance", "view")
ORDER = ("test", "validation", "train")  # in which folds are filled


class SplitError(CxrfairError):
    """A split that cannot be made."""


class SplitConfig(Section):
    """Section `split` of params.yaml; each kind needs its own settings and refuses the others'.

    - `fraction`: shares of patients, `validation` and `test`; the rest is trained on.
    - `counts`: exact numbers of images, `train`, `validation` and `test`; what is left over is in
      no fold.
    - `kfold`: `folds` parts, 3 or more; part `fold` (from 0) is tested on and the one after it
      validated on, so that over all parts everybody is tested once.
    - `official`: the data set's own folds; where they leave validation open, it is the share
      `validation` of the patients who are not in the official test fold.
    - `external`: everybody is tested, by models of another data set. Of a study's external data
      sets alone (`scales.split_section`).

    `stratify` names attributes and labels. With none, a patient's fold depends on nobody else: who
    joins moves nobody, and shares hold up to chance, in every cell alike. With some, shares hold
    exactly within each of their cells, which no rule that looks at one patient alone can do: who
    joins may then move up to two others of any cell (of `kfold`, as many as there are folds). Of
    `counts`, who joins always moves those at the ends of the folds, as many images as he has.
    """

    by: By
    seed: NonNegativeInt
    stratify: tuple[str, ...]
    train: Amount | None = None
    validation: Amount | None = None
    test: Amount | None = None
    folds: Annotated[int, Field(ge=3)] | None = None
    fold: NonNegativeInt | None = None

    @property
    def own(self) -> dict[str, float]:
        """Return the settings that this kind of split needs."""
        return {name: float(getattr(self, name)) for name in NEEDS[self.by]}

    @model_validator(mode="after")
    def _each_kind_has_its_own(self) -> Self:
        needed, optional = NEEDS[self.by], {name for names in NEEDS.values() for name in names}
        given = {name for name in optional if getattr(self, name) is not None}
        if given != set(needed):
            raise ValueError(
                f"by: {self.by} needs {' and '.join(needed) or 'none'} and no other; "
                f"lacks {sorted(set(needed) - given)}, has {sorted(given - set(needed))} too many"
            )
        if self.by in {"fraction", "official"} and sum(self.own.values()) >= 1:
            raise ValueError(f"{' + '.join(needed)} is {sum(self.own.values())}; must be below 1")
        if self.by == "external" and self.stratify:
            raise ValueError(f"by: external has one fold; leave stratify empty: {self.stratify}")
        if self.by == "counts" and any(n % 1 for n in self.own.values()):
            raise ValueError(f"by: counts takes whole numbers of images, not {self.own}")
        if self.fold is not None and self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}; allowed: 0 to {self.folds - 1}")
        return self


def assign(chosen: pd.DataFrame, targets: pd.DataFrame, config: SplitConfig) -> pd.DataFrame:
    """Give every image the fold of its patient.

    Patients are taken in the order of a hash of (seed, patient_id).

    Parameters
    ----------
    chosen, targets
        Rows of the tables of those names; `targets` may hold more images.

    Returns
    -------
    DataFrame
        Rows of `tables.SPLITS`, one for each image that is in a fold.

    Raises
    ------
    SplitError
        If a `stratify` name is neither an attribute nor a label, a fold stays empty, there are
        fewer images than `counts` asks for, or the official folds are missing or leak.
    """
    cells = _cells(chosen, targets, config.stratify)
    place = [_uniform(config.seed, patient) for patient in cells.index]
    patients = pd.DataFrame({"cell": cells, "place": place}).sort_values(["cell", "place"])
    whole = chosen[["image_id", "patient_id"]]
    if config.by == "counts":
        fold = _counted(whole, patients, config)
    elif config.by == "official":
        fold = whole["patient_id"].map(_official(chosen, patients, config))
    elif config.by == "external":
        fold = pd.Series("test", index=whole.index, dtype="str")
    else:
        fold = whole["patient_id"].map(_drawn(patients, config))
    cell = whole["patient_id"].map(cells)
    splits = pd.DataFrame({"image_id": whole["image_id"], "fold": fold, "cell": cell})
    _check_no_empty_fold(splits, ("test",) if config.by == "external" else tables.FOLDS)
    return splits.dropna(subset="fold").reset_index(drop=True)


def _uniform(*key: object) -> float:
    """Hash a key to a number that is even on [0, 1)."""
    return (stable_hash(*key) >> 10) / 2**53


def _cells(chosen: pd.DataFrame, targets: pd.DataFrame, stratify: tuple[str, ...]) -> pd.Series:
    """Name each patient's cell: his commonest attributes, and which labels any image has."""
    patients = pd.Index(sorted(chosen["patient_id"].unique()), name="patient_id")
    parts = []
    for name in stratify:
        if name in targets["label"].to_numpy():
            parts.append(_any_positive(chosen, targets, name))
        elif name in chosen and name in STRATA:
            parts.append(_commonest(chosen, name))
        else:
            known = sorted({*STRATA, *targets["label"].unique()})
            raise SplitError(f"params.yaml split.stratify: no {name!r}; have {', '.join(known)}")
    if not parts:
        return pd.Series("all", index=patients, dtype="str")
    table = pd.concat([part.reindex(patients) for part in parts], axis=1)
    return pd.Series(map(SEPARATOR.join, table.itertuples(index=False)), patients, dtype="str")


def _commonest(chosen: pd.DataFrame, attribute: str) -> pd.Series:
    """Give each patient the value most of his images have; of several, the first by name."""
    counts = chosen.groupby(["patient_id", attribute]).size().rename("n").reset_index()
    ordered = counts.sort_values(["n", attribute], ascending=[False, True])
    return ordered.drop_duplicates("patient_id").set_index("patient_id")[attribute].astype("str")


def _any_positive(chosen: pd.DataFrame, targets: pd.DataFrame, label: str) -> pd.Series:
    """Say of each patient whether any of his images has the label."""
    positive = targets.loc[(targets["label"] == label) & (targets["target"] == 1), "image_id"]
    is_positive = pd.Series(places(chosen["image_id"], positive) >= 0, chosen.index)
    has = is_positive.groupby(chosen["patient_id"]).any()
    return has.map({True: label, False: f"no {label}"}).astype("str")


def _drawn(patients: pd.DataFrame, config: SplitConfig) -> pd.Series:
    """Draw each patient's fold, in shares or in equal parts."""
    own = config.own
    if config.by == "fraction":
        test, held_out = own["test"], own["test"] + own["validation"]
        part = _parts(patients, [test, held_out, 1.0], config)
        return part.map(dict(enumerate(ORDER)))
    count, tested = int(own["folds"]), int(own["fold"])
    part = _parts(patients, [(i + 1) / count for i in range(count)], config)
    names = {tested: "test", (tested + 1) % count: "validation"}
    return part.map({i: names.get(i, "train") for i in range(count)})


def _parts(patients: pd.DataFrame, ends: Sequence[float], config: SplitConfig) -> pd.Series:
    """Tell which part of [0, 1) each patient is in; `ends` are their upper ends, the last is 1.

    Without strata a patient's place alone decides. Else his rank in his cell does: ends are rounded
    on the running total over cells, so that shares hold overall however small the cells.
    """
    if not config.stratify:
        number = np.searchsorted(ends[:-1], patients["place"], side="right")
        return pd.Series(number, index=patients.index)
    rank = patients.groupby("cell").cumcount().to_numpy()
    below = patients.groupby("cell", sort=True).size()
    number = np.full(len(patients), len(ends) - 1)
    for i in reversed(range(len(ends) - 1)):
        below = _running(below, ends[i] / ends[i + 1])
        number[rank < patients["cell"].map(below).to_numpy(np.int64)] = i
    return pd.Series(number, index=patients.index)


def _running(sizes: pd.Series, share: float) -> pd.Series:
    """Take a share of each size in whole numbers, such that every running total is within 1/2."""
    totals: pd.Series = np.floor(sizes.cumsum() * share + 0.5)
    return totals.diff().fillna(totals).astype("int64")


def _counted(images: pd.DataFrame, patients: pd.DataFrame, config: SplitConfig) -> pd.Series:
    """Fill each fold to its number of images, patient by patient; the others have none.

    Strata take turns: whoever is a tenth of the way through his cell comes before those who are
    two tenths through theirs, so that every cell gives its share. Of the patient who would overfill
    a fold as many images as fit are in it, the first by name, and the others in none.
    """
    size = patients.groupby("cell")["place"].transform("size")
    turn = (patients.groupby("cell").cumcount() + 0.5) / size
    queue = patients.assign(turn=turn).sort_values(["turn", "place"]).index
    ordered = images.assign(turn=queue.get_indexer(pd.Index(images["patient_id"]))).sort_values(
        ["turn", "image_id"]
    )
    turns, start = ordered["turn"].to_numpy(), 0
    fold = pd.Series(None, index=ordered.index, dtype="str")
    for name in ORDER:
        wanted = int(config.own[name])
        if start + wanted > len(ordered):
            raise SplitError(
                f"params.yaml split.{name}: {wanted:,} images; {len(ordered) - start:,} of "
                f"{len(ordered):,} are left for it (folds are filled in the order "
                f"{', '.join(ORDER)})"
            )
        fold.iloc[start : start + wanted] = name
        start = _next_patient(turns, start + wanted)
    return fold.reindex(images.index)


def _next_patient(turns: NDArray[np.intp], end: int) -> int:
    """Return where the first patient begins who has no image before `end`."""
    return int(np.searchsorted(turns, turns[end - 1], side="right"))


def _official(chosen: pd.DataFrame, patients: pd.DataFrame, config: SplitConfig) -> pd.Series:
    """Take the data set's own folds, and cut validation from `train_validation`."""
    official = chosen.groupby("patient_id")["official_fold"].agg(["first", "nunique"])
    if n_without := int(chosen["official_fold"].isna().sum()):
        raise SplitError(
            f"params.yaml split.by: official, but {n_without} of {len(chosen)} images have no "
            "official fold; allowed: fraction, counts, kfold"
        )
    if (leaks := official.index[official["nunique"] > 1]).size:
        raise SplitError(
            f"records.official_fold: {len(leaks)} patients are in two official folds; allowed: one"
        )
    fold = official["first"].reindex(patients.index).astype("str")
    open_ = patients[fold == "train_validation"]
    part = _parts(open_, [config.own["validation"], 1.0], config)
    return part.map({0: "validation", 1: "train"}).reindex(fold.index).fillna(fold).astype("str")


def _check_no_empty_fold(splits: pd.DataFrame, needed: Sequence[str]) -> None:
    """Raise if a fold has no image: nothing could then be learnt, tuned or judged."""
    if empty := [fold for fold in needed if fold not in splits["fold"].to_numpy()]:
        raise SplitError(
            f"splits: no image in {', '.join(empty)}; allowed: none of the folds empty "
            f"({len(splits)} images in all)"
        )
