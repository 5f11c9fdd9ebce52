"""Folds, by patient: nobody's images are on both sides of a split."""

from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeInt, model_validator

from cxrfair import tables
from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash
from cxrfair.studies import SEPARATOR

Share = Annotated[float, Field(gt=0, lt=1)]


class SplitError(CxrfairError):
    """A split that cannot be made, or that leaks."""


class SplitConfig(Section):
    """Section `split` of params.yaml.

    `by: patient` divides at random, in shares of all patients. `by: official` takes the data set's
    own folds; where those leave validation open, it gets its share of the patients who are not in
    the official test fold, and `test` is not read.
    """

    by: Literal["patient", "official"]
    seed: NonNegativeInt
    validation: Share
    test: Share
    stratify: tuple[str, ...]

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation + test is {self.validation + self.test}; must be below 1")
        return self


def assign(cohort: pd.DataFrame, targets: pd.DataFrame, config: SplitConfig) -> pd.DataFrame:
    """Give every image the fold of its patient.

    Patients are divided within cells of the `stratify` columns: in the order of a hash of (seed,
    patient_id), with the cuts rounded on the running total over cells, so that the shares hold
    overall however small the cells. A new patient moves at most two others of any cell.

    Parameters
    ----------
    cohort, targets
        Rows of the tables of those names; `targets` may hold more images.

    Returns
    -------
    DataFrame
        Rows of `tables.SPLITS`, one for each image of the cohort.

    Raises
    ------
    SplitError
        If a `stratify` name is neither an attribute nor a label, a fold stays empty, or the
        official folds are missing or leak.
    """
    cells = _cells(cohort, targets, config.stratify)
    place = [stable_hash(config.seed, patient) for patient in cells.index]
    patients = pd.DataFrame({"cell": cells, "place": place}).sort_values(["cell", "place"])
    if config.by == "official":
        fold = _official(cohort, patients, config.validation)
    else:
        fold = _cut(patients, config.validation, config.test)
    splits = pd.DataFrame(
        {
            "image_id": cohort["image_id"],
            "fold": cohort["patient_id"].map(fold),
            "cell": cohort["patient_id"].map(cells),
        }
    )
    check_no_leak(splits, cohort)
    _check_no_empty_fold(splits)
    return splits.reset_index(drop=True)


def check_no_leak(splits: pd.DataFrame, cohort: pd.DataFrame) -> None:
    """Raise SplitError if a patient's images lie in two folds, or an image has none."""
    rows = cohort[["image_id", "patient_id"]].merge(splits, on="image_id", how="left")
    if lost := int(rows["fold"].isna().sum()):
        raise SplitError(f"splits: {lost} of {len(rows)} images have no fold; allowed: one each")
    folds = rows.groupby("patient_id")["fold"].unique()
    leaks = folds[folds.map(len) > 1]
    if len(leaks):
        where = ", ".join(sorted(leaks.iloc[0]))
        raise SplitError(f"splits: {len(leaks)} patients are in two folds ({where}); allowed: one")


def _cells(cohort: pd.DataFrame, targets: pd.DataFrame, stratify: tuple[str, ...]) -> pd.Series:
    """Name each patient's cell: his commonest attributes, and which labels any image has."""
    patients = pd.Index(sorted(cohort["patient_id"].unique()), name="patient_id")
    parts = []
    for name in stratify:
        if name in targets["label"].to_numpy():
            parts.append(_any_positive(cohort, targets, name))
        elif name in cohort:
            parts.append(_commonest(cohort, name))
        else:
            known = sorted({*cohort.columns, *targets["label"].unique()})
            raise SplitError(f"params.yaml split.stratify: no {name!r}; have {', '.join(known)}")
    if not parts:
        return pd.Series("all", index=patients, dtype="str")
    table = pd.concat([part.reindex(patients) for part in parts], axis=1)
    return pd.Series(map(SEPARATOR.join, table.itertuples(index=False)), patients, dtype="str")


def _commonest(cohort: pd.DataFrame, attribute: str) -> pd.Series:
    """Give each patient the value most of his images have; of several, the first by name."""
    counts = cohort.groupby(["patient_id", attribute]).size().rename("n").reset_index()
    ordered = counts.sort_values(["n", attribute], ascending=[False, True])
    return ordered.drop_duplicates("patient_id").set_index("patient_id")[attribute].astype("str")


def _any_positive(cohort: pd.DataFrame, targets: pd.DataFrame, label: str) -> pd.Series:
    """Say of each patient whether any of his images has the label."""
    positive = targets.loc[(targets["label"] == label) & (targets["target"] == 1), "image_id"]
    is_positive = pd.Series(pd.Index(positive).get_indexer(cohort["image_id"]) >= 0, cohort.index)
    has = is_positive.groupby(cohort["patient_id"]).any()
    return has.map({True: label, False: f"no {label}"}).astype("str")


def _cut(patients: pd.DataFrame, validation: float, test: float) -> pd.Series:
    """Cut each cell's patients (sorted by cell, then place) into test, validation and train."""
    sizes = patients.groupby("cell", sort=True).size()
    held_out = _running(sizes, validation + test)
    tested = _running(held_out, test / (validation + test))
    rank = patients.groupby("cell").cumcount()
    fold = pd.Series("train", index=patients.index, dtype="str")
    fold[rank < patients["cell"].map(held_out).astype("int64")] = "validation"
    fold[rank < patients["cell"].map(tested).astype("int64")] = "test"
    return fold


def _running(sizes: pd.Series, share: float) -> pd.Series:
    """Take a share of each size in whole numbers, such that every running total is within 1/2."""
    totals: pd.Series = np.floor(sizes.cumsum() * share + 0.5)
    return totals.diff().fillna(totals).astype("int64")


def _official(cohort: pd.DataFrame, patients: pd.DataFrame, validation: float) -> pd.Series:
    """Take the data set's own folds, and cut validation from `train_validation`."""
    official = cohort.groupby("patient_id")["official_fold"].agg(["first", "nunique"])
    if n_without := int(cohort["official_fold"].isna().sum()):
        raise SplitError(
            f"params.yaml split.by: official, but {n_without} of {len(cohort)} images have no "
            "official fold; allowed: patient"
        )
    if (leaks := official.index[official["nunique"] > 1]).size:
        raise SplitError(
            f"records.official_fold: {len(leaks)} patients are in two official folds; allowed: one"
        )
    fold = official["first"].reindex(patients.index).astype("str")
    open_ = patients[fold == "train_validation"]
    return _cut(open_, validation, 0.0).reindex(fold.index).fillna(fold)


def _check_no_empty_fold(splits: pd.DataFrame) -> None:
    """Raise if a fold has no image: nothing could then be learnt, tuned or judged."""
    if empty := [fold for fold in tables.FOLDS if fold not in splits["fold"].to_numpy()]:
        raise SplitError(
            f"splits: no image in {', '.join(empty)}; allowed: none of the folds empty "
            f"({len(splits)} images in all)"
        )
