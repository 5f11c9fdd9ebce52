"""Hospital demographics onto X-rays: what was known of the patient when the image was taken."""

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import NonNegativeFloat

from cxrfair import tables
from cxrfair.cohort import intervals
from cxrfair.cohort.attributes import race_groups
from cxrfair.cohort.flow import Flow, tally
from cxrfair.config import Section

RUNGS = ("admission", "emergency", "nearest", "patient", "none")
SECONDS_PER_DAY = 86_400


class LinkConfig(Section):
    """Section `link` of params.yaml."""

    nearest_max_days: NonNegativeFloat
    race_conflict: Literal["latest", "mode", "drop"]


def link(
    records: pd.DataFrame, patients: pd.DataFrame, stays: pd.DataFrame, config: LinkConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill in sex, age, race and insurance, and by which rung of the ladder they were found.

    The ladder: (1) the admission that contains the image's time, (2) the emergency stay that does,
    (3) the nearest admission within `nearest_max_days`, (4) the patient alone, else none. Of
    several stays that contain it, the one that ends last counts; of two equally near admissions,
    the earlier. Insurance is that of the admission, on rungs 1 and 3 only. Race is the patient's:
    the one group named in his admissions (or, where they name none, in his emergency stays), or by
    `race_conflict` where there are several. Age is anchor age + study year - anchor year.

    Parameters
    ----------
    records, patients, stays
        Rows of the tables of those names.

    Returns
    -------
    tuple of DataFrame
        Rows of `tables.RECORDS` (fewer only if conflicting races are dropped), and of
        `tables.FLOW`.
    """
    records = records.reset_index(drop=True)
    race, conflicting = _race(stays, config.race_conflict)
    person = patients.set_index("patient_id").reindex(records["patient_id"]).set_axis(records.index)
    linked = records.assign(
        sex=person["sex"].fillna(tables.UNKNOWN).astype("str"),
        age_years=_age_years(records["acquired_at"], person),
        race=records["patient_id"].map(race).astype("str"),
        **_ladder(records, patients, stays, config.nearest_max_days),
    )
    in_conflict = _among(records["patient_id"], conflicting)
    return _count(linked, in_conflict, config.race_conflict)


def _count(
    linked: pd.DataFrame, in_conflict: pd.Series, rule: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write down the flow, and lose the patients with conflicting races if told to."""
    flow = Flow()
    linked = flow.step("linked to hospital stays", linked, linked, tally(linked["link_rung"]))
    n = linked.loc[in_conflict, "patient_id"].nunique()
    said = f"conflicting races ({rule}): patients {n}" if n else None
    kept = linked[~in_conflict] if rule == "drop" else linked
    kept = flow.step("one race for each patient", linked, kept, said).reset_index(drop=True)
    return kept, flow.table()


def _age_years(acquired_at: pd.Series, person: pd.DataFrame) -> pd.Series:
    """Add the years since the anchor year to the anchor age; empty if unknown or before birth."""
    years = acquired_at.dt.year.astype("float64") - person["anchor_year"].astype("float64")
    age: pd.Series = person["anchor_age_years"].astype("float64") + years
    return age.where(age >= 0).astype("float32")


def _race(stays: pd.DataFrame, rule: str) -> tuple[pd.Series, pd.Index]:
    """Choose each patient's race word; also name the patients whose words differ in group.

    Words of one group (WHITE, WHITE - RUSSIAN) are no conflict; the latest of them is taken.
    """
    group = race_groups(stays["race"], "seyyed_kalantari_2021")
    known = stays.assign(group=group)[group != tables.UNKNOWN]
    admission = known["kind"] == "admission"
    known = known[admission | ~_among(known["patient_id"], known.loc[admission, "patient_id"])]
    if rule == "mode":
        known = known.assign(n=known.groupby(["patient_id", "group"])["stay_id"].transform("size"))
    order = [*(["n"] if rule == "mode" else []), "starts_at", "stay_id"]
    chosen = known.sort_values(order).drop_duplicates("patient_id", keep="last")
    several = known.groupby("patient_id")["group"].nunique() > 1
    return chosen.set_index("patient_id")["race"], several.index[several]


def _ladder(
    records: pd.DataFrame, patients: pd.DataFrame, stays: pd.DataFrame, max_days: float
) -> dict[str, pd.Series]:
    """Find each image's rung, the distance in days, and the insurance of its admission."""
    admissions = stays[stays["kind"] == "admission"]
    admission = intervals.search(records, admissions)
    emergency = intervals.search(records, stays[stays["kind"] == "emergency"])
    days = admission.seconds / SECONDS_PER_DAY
    someone = _among(records["patient_id"], patients["patient_id"])
    someone |= _among(records["patient_id"], stays["patient_id"])
    found = [admission.inside >= 0, emergency.inside >= 0, days <= max_days, someone.to_numpy()]
    rung = np.select(found, [np.full(len(records), i) for i in range(4)], 4)
    row = np.choose(rung, [admission.inside, -1, admission.nearest, -1, -1])
    distance = np.choose(rung, [0.0, 0.0, days, np.nan, np.nan])
    insurance = admissions["insurance"].astype("str").array.take(row, allow_fill=True)
    return {
        "link_rung": pd.Series(pd.array(RUNGS, dtype="str").take(rung), records.index),
        "link_distance_days": pd.Series(distance, records.index, dtype="float32"),
        "insurance": pd.Series(insurance, records.index),
    }


def _among(patient_ids: pd.Series, known: pd.Series | pd.Index) -> pd.Series:
    """Tell which ids are known (`Series.isin` takes seconds on this many words)."""
    places = pd.Index(known.unique()).get_indexer(pd.Index(patient_ids))
    return pd.Series(places >= 0, patient_ids.index)
