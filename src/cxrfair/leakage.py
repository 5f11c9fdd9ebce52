"""The gate no split passes that leaks, and what a split by image would have leaked."""

import pandas as pd

from cxrfair.errors import CxrfairError
from cxrfair.hashing import stable_hash
from cxrfair.lookup import places


class LeakageError(CxrfairError):
    """What is tested on was trained on."""


def check(splits: pd.DataFrame, chosen: pd.DataFrame, store_index: pd.DataFrame) -> dict[str, int]:
    """Refuse folds that share a patient or a picture.

    Two images are one picture if all their decoded pixels are the same.

    Parameters
    ----------
    splits, chosen, store_index
        Rows of the tables of those names; the latter two may hold more images.

    Returns
    -------
    dict
        The patients and images in folds, and how many patients and pictures are in two (none).

    Raises
    ------
    LeakageError
        Saying how many patients or pictures are in two folds, or that an image is not known.
    """
    rows = _rows(splits, chosen).merge(
        store_index[["image_id", "checksum"]], on="image_id", how="left"
    )
    if leaks := _shared(rows, "patient_id"):
        number, where = leaks
        raise LeakageError(f"splits: {number} patients are in two folds ({where}); allowed: one")
    if leaks := _shared(rows, "checksum"):
        number, where = leaks
        raise LeakageError(
            f"splits: {number} pictures are in two folds ({where}) under several names; set "
            "cohort.duplicate_images: drop in params.yaml to use each picture once"
        )
    return {
        "patients": int(rows["patient_id"].nunique()),
        "images": len(rows),
        "patients_in_two_folds": 0,
        "pictures_in_two_folds": 0,
    }


def image_level(
    splits: pd.DataFrame, chosen: pd.DataFrame, seed: int
) -> dict[str, int | float | None]:
    """Say what a split by image would have tested on: a hash of (seed, image_id), equal shares.

    Returns
    -------
    dict
        Its test images, those of them whose patient has an image in training too, and their share
        (None without test images). All None where nothing is in training (an external data set):
        there is nothing to be beside.
    """
    rows = _rows(splits, chosen)
    if "train" not in rows["fold"].to_numpy():
        return dict.fromkeys(("test_images", "beside_own_patient", "share"))
    shares = rows["fold"].value_counts(normalize=True)
    test = shares.get("test", 0.0)
    place = rows["image_id"].map(lambda image: stable_hash(seed, image) / 2**63)
    tested = rows.loc[place < test, "patient_id"]
    trained = rows.loc[place >= test + shares.get("validation", 0.0), "patient_id"]
    beside = int((places(tested, trained) >= 0).sum())
    return {
        "test_images": len(tested),
        "beside_own_patient": beside,
        "share": beside / len(tested) if len(tested) else None,
    }


def apart(
    external: pd.DataFrame, home: pd.DataFrame, store_indexes: tuple[pd.DataFrame, pd.DataFrame]
) -> dict[str, int]:
    """Refuse an external data set that shares a patient or a picture with its home.

    Patients are the same if they have one identifier. Two images are one picture if all their
    decoded pixels are the same, under whatever names.

    Parameters
    ----------
    external, home
        Rows of `tables.CHOSEN`: of images nothing is learnt from, and of those models come from,
        of all folds.
    store_indexes
        Rows of `tables.STORE_INDEX` of the same two; they may hold more images.

    Returns
    -------
    dict
        The patients and images of home, and how many patients and pictures are in both (none).

    Raises
    ------
    LeakageError
        Saying how many patients or pictures are in both.
    """
    pair = [
        rows[["image_id", "patient_id"]].merge(
            index[["image_id", "checksum"]], on="image_id", how="left"
        )
        for rows, index in zip((external, home), store_indexes, strict=True)
    ]
    for what, column in (("patients", "patient_id"), ("pictures", "checksum")):
        tested, learnt = (rows[column].dropna().drop_duplicates() for rows in pair)
        if shared := int((places(tested, learnt) >= 0).sum()):
            raise LeakageError(
                f"external data set: {shared} of its {len(tested)} {what} are also where its "
                "models are trained; allowed: none"
            )
    return {
        "home_patients": int(home["patient_id"].nunique()),
        "home_images": len(home),
        "patients_in_both": 0,
        "pictures_in_both": 0,
    }


def _rows(splits: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Join images in folds to their patients."""
    known = chosen[["image_id", "patient_id"]]
    rows = splits[["image_id", "fold"]].merge(known, on="image_id", how="left")
    if lost := int(rows["patient_id"].isna().sum()):
        raise LeakageError(f"splits: {lost} of {len(rows)} images have no patient; allowed: none")
    return rows


def _shared(rows: pd.DataFrame, what: str) -> tuple[int, str] | None:
    """Count what is in two folds, and name the folds of one such; None if nothing is."""
    pairs = rows.dropna(subset=what)[[what, "fold"]].drop_duplicates()
    twice = pairs[pairs.duplicated(what, keep=False)].sort_values([what, "fold"])
    if twice.empty:
        return None
    first = twice.loc[twice[what] == twice[what].iloc[0], "fold"]
    return int(twice[what].nunique()), ", ".join(first)
