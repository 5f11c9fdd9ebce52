"""What MIMIC's data sets share: identifiers, one shifted timeline, the X-rays and the stays.

Stays are arranged so that every rung of the linking ladder is needed: see `visits` in the settings.
"""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.phantom import noise, population, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import INSURANCES, RACES, PhantomConfig, VisitShares
from cxrfair.phantom.noise import Keys

PROFILE = Profile(
    dataset="mimic_cxr",
    portable_share=0.55,
    log_gamma=0.12,
    brightness=-0.03,
    contrast=-0.06,
    border=0.03,
    grain=0.2,
    laterals=True,
)
KINDS = tuple(VisitShares.model_fields)
RACE_WORDS = {
    "white": ("WHITE", "WHITE", "WHITE", "WHITE - OTHER EUROPEAN", "WHITE - RUSSIAN", "PORTUGUESE"),
    "black": ("BLACK/AFRICAN AMERICAN", "BLACK/AFRICAN AMERICAN", "BLACK/CAPE VERDEAN"),
    "hispanic": ("HISPANIC OR LATINO", "HISPANIC/LATINO - PUERTO RICAN", "SOUTH AMERICAN"),
    "asian": ("ASIAN", "ASIAN - CHINESE", "ASIAN - ASIAN INDIAN"),
    "other": ("OTHER", "AMERICAN INDIAN/ALASKA NATIVE", "MULTIPLE RACE/ETHNICITY"),
}
RACE_UNKNOWN = ("UNKNOWN", "UNABLE TO OBTAIN", "PATIENT DECLINED TO ANSWER")
INSURANCE_WORDS = dict(zip(INSURANCES, ("Medicare", "Private", "Medicaid", "Other"), strict=True))
DIRT = ("ends first", "overlaps", "dates", "fractions")  # what is odd about a stay's times
NO_CHARGE = 0.03  # share of those insured otherwise
Times = NDArray[np.float64]


def subject_ids(config: PhantomConfig, patients: Keys) -> Keys:
    """Return 8-digit subject identifiers."""
    return 10_000_000 + noise.permuted(patients, config.seed, "subject")


def absent(config: PhantomConfig, patients: Keys) -> NDArray[np.bool_]:
    """Say which patients the hospital's tables know nothing of."""
    u = noise.uniform(config.seed, "absent", patients, 1)[:, 0]
    gone: NDArray[np.bool_] = u < config.missing_share
    return gone


def first_days(config: PhantomConfig, patients: Keys) -> pd.DatetimeIndex:
    """Return midnight of each patient's first study, shifted to the years 2110 to 2199."""
    u = noise.uniform(config.seed, "timeline", patients, 1)[:, 0]
    return pd.Timestamp("2110-01-01") + pd.to_timedelta((u * 90 * 365).astype(int), unit="D")


def study_times(config: PhantomConfig, studies: pd.DataFrame) -> pd.Series:
    """Return when each study was made, to the second."""
    first = first_days(config, studies["patient"].to_numpy())
    hour = noise.uniform(config.seed, "hour", studies["key"].to_numpy(), 1)[:, 0]
    seconds = np.floor(studies["day"]) * 86_400 + np.floor(hour * 86_400)
    return pd.Series(first + pd.to_timedelta(seconds, unit="s"), index=studies.index)


def images(config: PhantomConfig, ending: str) -> Iterator[pd.DataFrame]:
    """Yield the scene of all X-rays, some patients at a time, under the source's identifiers.

    A few pictures are filed a second time under another name: `copy_of` names the first, and
    `subject_id`, `study_id` and `acquired_at` are those they are filed under; everything else,
    `patient` too, is about the picture. Paths end in `ending`.
    """
    for rows in scene.blocks(config, PROFILE):
        once = rows.assign(
            subject_id=subject_ids(config, rows["patient"].to_numpy()),
            study_id=50_000_000 + noise.permuted(rows["key"].to_numpy(), config.seed, "study"),
            acquired_at=study_times(config, rows),
            image_id=[_dicom_id(config.seed, key) for key in rows["image_key"]],
            copy_of="",
        )
        filed = pd.concat([once, _copies(config, once)], ignore_index=True)
        subject, study = filed["subject_id"].astype(str), filed["study_id"].astype(str)
        folder = "files/p" + subject.str[:2] + "/p" + subject + "/s" + study
        filed["path"] = folder + "/" + filed["image_id"] + ending
        yield filed.sort_values(["subject_id", "study_id", "image_id"], ignore_index=True)


def _copies(config: PhantomConfig, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the pictures that are filed twice, half of them with the patient numbered before."""
    u = noise.uniform(config.seed, "filed twice", rows["image_key"].to_numpy(), 2)
    chosen = u[:, 0] < config.dirt_share
    copies = rows[chosen]
    others = rows.drop_duplicates("patient")
    place = pd.Index(others["patient"]).get_indexer(copies["patient"] - 1)
    astray = (u[chosen, 1] < 0.5) & (place >= 0)
    filed = {
        name: np.where(astray, others[name].to_numpy()[place], copies[name])
        for name in ("subject_id", "study_id", "acquired_at")
    }
    names = [_dicom_id(config.seed, f"copy {key}") for key in copies["image_key"]]
    return copies.assign(copy_of=copies["image_id"], image_id=names, **filed)


def _dicom_id(seed: int, key: int | str) -> str:
    """Return five blocks of eight hexadecimal digits."""
    digits = blake2b(f"{seed}/{key}".encode(), digest_size=20).hexdigest()
    return "-".join(digits[i : i + 8] for i in range(0, 40, 8))


def stays(config: PhantomConfig, persons: pd.DataFrame) -> pd.DataFrame:
    """Return the stay each study gave rise to, if any, with what the hospital wrote about it.

    `start`, `end`, `ed_start` and `ed_end` are times or empty; `kind` says how they lie to the
    study's time `at`; `dirt` and `ed_dirt` name what is odd about the times, of an admission and an
    emergency stay, if anything. Race and insurance are in the words of MIMIC-IV v3. Patients the
    hospital does not know have none.
    """
    studies = population.studies(config, persons, PROFILE.dataset)
    keys = studies["key"].to_numpy()
    kind = noise.choose(
        noise.uniform(config.seed, "visit", keys, 1)[:, 0],
        list(config.visits.model_dump().values()),
    )
    studies = studies.assign(
        kind=np.asarray(KINDS)[kind],
        at=study_times(config, studies),
        subject_id=subject_ids(config, studies["patient"].to_numpy()),
        hadm_id=20_000_000 + noise.permuted(keys, config.seed, "admission"),
        stay_id=30_000_000 + noise.permuted(keys, config.seed, "emergency"),
    )
    u = noise.uniform(config.seed, "stay", keys, 12).T
    for name, hours in _hours(studies["kind"], u).items():
        whole = pd.to_timedelta(np.floor(hours * 3600), unit="s")
        studies[name] = studies["at"] + pd.Series(whole, index=studies.index)
    known = ~absent(config, studies["patient"].to_numpy()) & (studies["kind"] != "none")
    return _dirty(config, _described(config, studies, u))[known]


def _hours(kind: pd.Series, u: Times) -> dict[str, Times]:
    """Return when stays begin and end, in hours from the study; not a number where they do not.

    One admission in seven that came by the emergency room was decided on after the X-ray.
    """
    inside = (kind == "admission").to_numpy()
    away = np.select(
        [kind == "nearby", kind == "distant"], [48 + 5000 * u[2], 12_000 + 24_000 * u[2]], 0.0
    )
    length = 12 + 150 * u[1]
    after = u[3] < 0.5
    start = np.where(inside, -1 - 110 * u[0], np.where(after, away, -away - length))
    end = np.where(inside, 6 + 140 * u[1], start + length)
    by_emergency = inside & (u[4] < 0.6)
    late = by_emergency & (u[5] < 0.15)
    start = np.where(late, 0.5 + 3 * u[0], start)
    only = (kind == "emergency").to_numpy()
    ed_start = np.select([only, late, by_emergency], [-0.3 - 6 * u[0], -1 - 5 * u[6], start - 9.0])
    ed_end = np.select([only, by_emergency], [0.3 + 8 * u[1], start + 0.4])
    in_hospital = inside | (away > 0)
    in_emergency = only | by_emergency
    return {
        "start": np.where(in_hospital, start, np.nan),
        "end": np.where(in_hospital, end, np.nan),
        "ed_start": np.where(in_emergency, ed_start, np.nan),
        "ed_end": np.where(in_emergency, ed_end, np.nan),
    }


def _described(config: PhantomConfig, visits: pd.DataFrame, u: Times) -> pd.DataFrame:
    """Add race and insurance in the source's words, some conflicting, some unknown."""
    race = visits["race"].to_numpy()
    another = np.asarray(RACES)[(u[7] * len(RACES)).astype(int)]
    race = np.where(u[8] < config.race_conflict_share, another, race)
    words = [RACE_WORDS[name] for name in race]
    said = np.asarray([word[int(v * len(word))] for word, v in zip(words, u[9], strict=True)])
    silent = np.asarray(RACE_UNKNOWN)[(u[10] * len(RACE_UNKNOWN)).astype(int)]
    insurance = visits["insurance"].map(INSURANCE_WORDS)
    free = noise.uniform(config.seed, "no charge", visits["key"].to_numpy(), 1)[:, 0] < NO_CHARGE
    insurance = insurance.mask(free & (insurance == "Other"), "No charge")
    return visits.assign(
        race=np.where(u[11] < config.missing_share, silent, said),
        insurance=insurance.where(u[11] < 1 - config.missing_share),
    )


def _dirty(config: PhantomConfig, visits: pd.DataFrame) -> pd.DataFrame:
    """Make some stays end before they begin, some last into the next, and name all that is odd."""
    u = noise.uniform(config.seed, "stay dirt", visits["key"].to_numpy(), 4)
    for column, name in enumerate(("dirt", "ed_dirt")):
        odd = np.asarray(DIRT)[(u[:, 2 + column] * len(DIRT)).astype(int)]
        visits[name] = np.where(u[:, column] < config.dirt_share, odd, "")
    hour = pd.Timedelta(hours=1)
    begins = visits[["start", "ed_start"]].min(axis=1)
    end = visits["end"].mask(visits["dirt"] == "ends first", begins - hour)
    ed_end = visits["ed_end"].mask(visits["ed_dirt"] == "ends first", visits["ed_start"] - hour)
    following = visits.sort_values(["patient", "start"]).groupby("patient")["start"].shift(-1)
    into = (following.reindex(visits.index) + 12 * hour).where(visits["dirt"] == "overlaps")
    late = (into > end).fillna(value=False)
    return visits.assign(end=end.mask(late, into), ed_end=ed_end)


def written(times: pd.Series, dirt: pd.Series | None = None) -> pd.Series:
    """Write times as the source does; odd ones as dates, or with fractions of a second."""
    text: pd.Series = times.dt.strftime("%Y-%m-%d %H:%M:%S")
    if dirt is None:
        return text
    text = text.mask(dirt == "dates", text.str[:10])
    return text.mask(dirt == "fractions", text + ".250")
