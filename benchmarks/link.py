"""Linking at MIMIC's size: `cohort.link` against merge everything, filter, sort.

Run `python benchmarks/link.py [--share 0.1] [--repeats 3]`; it checks that both give the same
rungs, distances, insurances and races, and prints the ratio of the median times.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from cxrfair import tables
from cxrfair.cohort.link import SECONDS_PER_DAY, LinkConfig, link

N_IMAGES, N_PATIENTS, N_ADMISSIONS, N_EMERGENCY = 377_110, 364_627, 546_028, 425_087
N_IMAGED = 65_379  # patients with an image
YEARS = 15
RACES = np.array(["WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN", "HISPANIC OR LATINO", "UNKNOWN"])
CONFIG = LinkConfig(nearest_max_days=365, race_conflict="latest")

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def simulate(share: float, seed: int = 0) -> Frames:
    """Draw records, patients and stays; a few patients have very many stays, as in hospitals."""
    rng = np.random.default_rng(seed)
    n_patients, n_imaged = int(N_PATIENTS * share), int(N_IMAGED * share)
    ids = pd.Series(np.arange(10_000_000, 10_000_000 + n_patients)).astype("str")
    busy = rng.lognormal(0.0, 1.2, n_patients)
    busy[:n_imaged] *= 3
    chance = busy / busy.sum()
    imaged = rng.choice(
        n_imaged, int(N_IMAGES * share), p=chance[:n_imaged] / chance[:n_imaged].sum()
    )
    patients = pd.DataFrame({"patient_id": ids, "sex": "female", "anchor_age_years": 50.0})
    stays = [
        _stays(
            rng,
            "admission",
            ids.to_numpy()[rng.choice(n_patients, int(N_ADMISSIONS * share), p=chance)],
        ),
        _stays(
            rng,
            "emergency",
            ids.to_numpy()[rng.choice(n_patients, int(N_EMERGENCY * share), p=chance)],
        ),
    ]
    records = (
        tables.RECORDS.empty()
        .reindex(range(len(imaged)))
        .assign(
            image_id=np.arange(len(imaged)).astype("str"),
            patient_id=ids.to_numpy()[imaged],
            acquired_at=_taken(rng, ids.to_numpy()[imaged], stays),
        )
    )
    return records, patients.assign(anchor_year=2150), pd.concat(stays, ignore_index=True)


def _times(rng: np.random.Generator, n: int) -> pd.Series:
    """Draw moments within some years."""
    offsets = rng.integers(0, YEARS * 365 * SECONDS_PER_DAY, n).astype("timedelta64[s]")
    return pd.Series(np.datetime64("2150-01-01", "s") + offsets)


def _taken(
    rng: np.random.Generator, patient_ids: np.ndarray, stays: list[pd.DataFrame]
) -> pd.Series:
    """Draw when each image was taken: four in five during one of the patient's stays."""
    shuffled = pd.concat(stays).sample(frac=1, random_state=1)
    of_patient = shuffled.drop_duplicates("patient_id").set_index("patient_id")
    stay = of_patient.reindex(patient_ids)
    length = (stay["ends_at"] - stay["starts_at"]).to_numpy().astype("timedelta64[s]")
    inside = stay["starts_at"].to_numpy() + (length.astype(float) * rng.random(len(stay))).astype(
        "timedelta64[s]"
    )
    outside = _times(rng, len(stay)).to_numpy()
    use = (rng.random(len(stay)) < 0.8) & ~np.isnat(inside)
    return pd.Series(np.where(use, inside, outside))


def _stays(rng: np.random.Generator, kind: str, patient_ids: np.ndarray) -> pd.DataFrame:
    """Draw stays of about four days, or of eight hours."""
    n = len(patient_ids)
    mean_days = 4.0 if kind == "admission" else 0.3
    length = (rng.exponential(mean_days, n) * SECONDS_PER_DAY).astype("timedelta64[s]")
    starts = _times(rng, n)
    return pd.DataFrame(
        {
            "kind": kind,
            "stay_id": np.arange(n).astype("str"),
            "patient_id": patient_ids,
            "starts_at": starts,
            "ends_at": starts + length,
            "race": rng.choice(RACES, n),
            "insurance": rng.choice(["Medicare", "Medicaid", "Other"], n)
            if kind == "admission"
            else None,
        }
    )


def ours(records: pd.DataFrame, patients: pd.DataFrame, stays: pd.DataFrame) -> pd.DataFrame:
    """Link as the pipeline does."""
    return link(records, patients, stays, CONFIG)[0]


def usual(records: pd.DataFrame, patients: pd.DataFrame, stays: pd.DataFrame) -> pd.DataFrame:
    """Link by merging every image with every stay of its patient, filtering and sorting."""
    pairs = records[["image_id", "patient_id", "acquired_at"]].merge(stays, on="patient_id")
    before = (pairs["acquired_at"] - pairs["ends_at"]).dt.total_seconds()
    after = (pairs["starts_at"] - pairs["acquired_at"]).dt.total_seconds()
    pairs["days"] = np.maximum(np.maximum(before, after), 0) / SECONDS_PER_DAY
    pairs["future"] = after > 0
    admission = pairs["kind"] == "admission"
    rung = np.select(
        [
            admission & (pairs["days"] == 0),
            ~admission & (pairs["days"] == 0),
            admission & (pairs["days"] <= CONFIG.nearest_max_days),
        ],
        [0, 1, 2],
        3,
    )
    order = ["image_id", "rung", "days", "future", "ends_at", "starts_at"]
    best = pairs.assign(rung=rung).sort_values(
        order, ascending=[True, True, True, True, False, True]
    )
    best = best.drop_duplicates("image_id").set_index("image_id").reindex(records["image_id"])
    best["rung"] = best["rung"].fillna(3).astype(int)
    known = stays[stays["race"] != "UNKNOWN"].sort_values(
        ["kind", "starts_at"], ascending=[False, True]
    )
    race = known.drop_duplicates("patient_id", keep="last").set_index("patient_id")["race"]
    linked = records.merge(patients, on="patient_id", how="left", suffixes=("_", ""))
    insured = best["rung"].isin([0, 2])
    return linked.assign(
        link_rung=np.array(["admission", "emergency", "nearest", "patient"])[best["rung"]],
        link_distance_days=best["days"].where(best["rung"] < 3).to_numpy(),
        insurance=best["insurance"].where(insured).to_numpy(),
        race=linked["patient_id"].map(race),
    )


def timed(
    way: Callable[..., pd.DataFrame], frames: Frames, repeats: int
) -> tuple[float, pd.DataFrame]:
    """Return the median seconds of a way of linking, and what it gave."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        linked = way(*frames)
        seconds.append(time.perf_counter() - start)
    return median(seconds), linked


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    frames = simulate(options.share)
    fast, mine = timed(ours, frames, options.repeats)
    slow, theirs = timed(usual, frames, options.repeats)
    for column in ("link_rung", "link_distance_days", "insurance", "race"):
        left, right = mine[column], theirs[column]
        same = (
            np.isclose(left, right, equal_nan=True)
            if left.dtype.kind == "f"
            else (left == right) | (left.isna() & right.isna())
        )
        print(f"{column}: {same.mean():.6%} equal")
    print(mine["link_rung"].value_counts().to_string())
    sizes = ", ".join(f"{len(frame):,}" for frame in frames)
    print(f"rows of records, patients, stays: {sizes}")
    print(f"cohort.link {fast:.2f} s; merge, filter, sort {slow:.2f} s; ratio {slow / fast:.1f}")


if __name__ == "__main__":
    main()
