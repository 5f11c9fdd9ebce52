"""Hospital demographics onto X-rays: what was known of the patient when the image was taken."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import NonNegativeFloat

from cxrfair import tables
from cxrfair.cohort import CohortError, intervals
from cxrfair.cohort.attributes import race_groups
from cxrfair.cohort.flow import Flow, tally, tally_first
from cxrfair.config import Section
from cxrfair.lookup import places, take

RUNGS = ("admission", "emergency", "nearest", "patient", "none")
SECONDS_PER_DAY = 86_400
HIDDEN_ABOVE_YEARS = 89  # MIMIC writes 91 for every anchor age above it


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
    `race_conflict` where there are several. Age is anchor age + study year - anchor year. MIMIC
    hides ages above 89: an anchor age of 91 stands for all of them and is kept, so that the age is
    then 91 plus the years since, a member of the oldest group and no exact number. The order of the
    rows of any table does not matter.

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
    people = pd.Series(records["patient_id"].unique(), dtype="str")
    person = places(records["patient_id"], people)
    theirs = stays.assign(person=places(stays["patient_id"], people))
    theirs = theirs[theirs["person"] >= 0]  # others say nothing of an image
    known = _taken(patients, places(people, patients["patient_id"])[person])
    race, conflicting = _race(theirs, len(people), config.race_conflict)
    ladder = _ladder(records.assign(person=person), known, theirs, config.nearest_max_days)
    age_years, age_known = _age(records["acquired_at"], known)
    linked = records.assign(
        sex=known["sex"].fillna(tables.UNKNOWN).astype("str"),
        age_years=age_years,
        race=take(race, person),
        **ladder.drop(columns="n_admissions"),
    )
    flow = Flow()
    flow.step("linked to hospital stays", linked, linked, _rungs(ladder))
    flow.step("age when the image was taken", linked, linked, age_known)
    flow.step("insurance of the admission", linked, linked, _insured(linked))
    in_conflict = pd.Series(conflicting[person], linked.index)
    kept = linked[~in_conflict] if config.race_conflict == "drop" else linked
    said = _races(linked, in_conflict, config.race_conflict)
    kept = flow.step("one race for each patient", linked, kept, said).reset_index(drop=True)
    return kept, flow.table()


def combine(table: tables.Table, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the rows that several sources give for one table together; equal rows count once.

    Raises
    ------
    CohortError
        If two sources say different things under one key.
    """
    filled = [part for part in parts if len(part)] or [table.empty()]
    rows = pd.concat(filled, ignore_index=True)
    if len(filled) > 1:
        rows = rows.drop_duplicates(ignore_index=True)
        twice = int(rows.duplicated(list(table.key)).sum())
        if twice:
            raise CohortError(
                f"{table.name}: two linked sources describe {twice} rows differently; "
                f"allowed: one description of each {', '.join(table.key)}, so link one of the two"
            )
    return rows


def annotate(
    records: pd.DataFrame, annotations: pd.DataFrame, marks: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add other sources' annotations to a data set's own; those of images not in `records` go.

    Annotations of one image and label are numbered afresh, the data set's own first, then each
    source's in the order of `marks`.

    Parameters
    ----------
    records, annotations
        Rows of the tables of those names.
    marks
        Rows of `tables.ANNOTATIONS` for each linked source.

    Returns
    -------
    tuple of DataFrame
        Rows of `tables.ANNOTATIONS`; and of `tables.FLOW`, empty without `marks`.
    """
    here = places(annotations["image_id"], records["image_id"]) >= 0
    own = annotations[here].reset_index(drop=True)
    flow = Flow()
    if not marks:
        return own, flow.table()
    key = list(tables.ANNOTATIONS.key)
    given = pd.concat([part.sort_values(key) for part in marks], ignore_index=True)
    known = pd.Series(places(given["image_id"], records["image_id"]) >= 0)
    why = tally_first({"on these images": known}, "on images that are not here")
    flow.step("annotations of linked sources", records, records, why)
    rows = pd.concat([own.sort_values(key), given[known]], ignore_index=True)
    numbered = rows.assign(i=rows.groupby(key[:2]).cumcount().astype("int32"))
    return numbered, flow.table()


def _rungs(ladder: pd.DataFrame) -> str:
    """Count the rungs, and the images that lay in several admissions at once."""
    several = int((ladder["n_admissions"] > 1).sum())
    also = f"; in overlapping admissions {several:,}" if several else ""
    return f"{tally(ladder['link_rung'])}{also}"


def _insured(linked: pd.DataFrame) -> str | None:
    """Count why the insurance of images is known, or is not."""
    asked = linked["link_rung"].isin(["admission", "nearest"])
    reasons = {"known": linked["insurance"].notna(), "not said": asked}
    return tally_first(reasons, "no admission")


def _races(linked: pd.DataFrame, in_conflict: pd.Series, rule: str) -> str | None:
    """Count patients of several races, and images without one."""
    n = linked.loc[in_conflict, "patient_id"].nunique()
    unknown = int(linked["race"].isna().sum())
    said = [f"conflicting races ({rule}): patients {n:,}"] if n else []
    said += [f"images without a race {unknown:,}"] if unknown else []
    return "; ".join(said) or None


def _age(acquired_at: pd.Series, person: pd.DataFrame) -> tuple[pd.Series, str | None]:
    """Add the years since the anchor year to the anchor age; count why ages are empty."""
    anchor = person["anchor_age_years"].astype("float64")
    years = acquired_at.dt.year.astype("float64") - person["anchor_year"].astype("float64")
    age = (anchor + years).where(anchor > 0)
    reasons = {
        "no such patient": person["sex"].isna(),
        "no anchor age": ~(anchor > 0) | person["anchor_year"].isna(),
        "no time of the image": acquired_at.isna(),
        "before birth": age < 0,
        f"anchor above {HIDDEN_ABOVE_YEARS} years": anchor > HIDDEN_ABOVE_YEARS,
    }
    return age.where(age >= 0).astype("float32"), tally_first(reasons, "known")


def _race(stays: pd.DataFrame, n_people: int, rule: str) -> tuple[pd.Series, NDArray[np.bool_]]:
    """Choose each person's race word; also say whose words differ in group.

    Words of one group (WHITE, WHITE - RUSSIAN) are no conflict; the latest of them is taken.
    """
    group = race_groups(stays["race"], "seyyed_kalantari_2021")
    known = stays.assign(group=group)[group != tables.UNKNOWN]
    admission = (known["kind"] == "admission").to_numpy()
    told = np.zeros(n_people, np.bool_)
    told[known["person"].to_numpy()[admission]] = True
    known = known[admission | ~told[known["person"]]]
    if rule == "mode":
        known = known.assign(n=known.groupby(["person", "group"])["stay_id"].transform("size"))
    order = [*(["n"] if rule == "mode" else []), "starts_at", "stay_id"]
    chosen = known.sort_values(order).drop_duplicates("person", keep="last")
    place = np.full(n_people, -1)
    place[chosen["person"]] = np.arange(len(chosen))
    pairs = known[["person", "group"]].drop_duplicates()
    return take(chosen["race"].astype("str"), place), np.bincount(
        pairs["person"], minlength=n_people
    ) > 1


def _ladder(
    records: pd.DataFrame, known: pd.DataFrame, stays: pd.DataFrame, max_days: float
) -> pd.DataFrame:
    """Find each image's rung, the distance in days, and the insurance of its admission.

    Also, as `n_admissions`, how many admissions it lay in.
    """
    admissions = stays[stays["kind"] == "admission"]
    admission = intervals.search(records, admissions)
    emergency = intervals.search(records, stays[stays["kind"] == "emergency"])
    days = admission.seconds / SECONDS_PER_DAY
    stayed = np.zeros(records["person"].max() + 1 if len(records) else 0, np.bool_)
    stayed[stays["person"]] = True
    someone = known["sex"].notna().to_numpy() | stayed[records["person"]]
    found = [admission.inside >= 0, emergency.inside >= 0, days <= max_days, someone]
    rung = np.select(found, [np.full(len(records), i) for i in range(4)], 4)
    row = np.choose(rung, [admission.inside, -1, admission.nearest, -1, -1])
    distance = np.choose(rung, [0.0, 0.0, days, np.nan, np.nan])
    return pd.DataFrame(
        {
            "link_rung": pd.array(RUNGS, dtype="str").take(rung),
            "link_distance_days": distance.astype("float32"),
            "insurance": take(admissions["insurance"].astype("str"), row),
            "n_admissions": admission.n_inside,
        },
        index=records.index,
    )


def _taken(patients: pd.DataFrame, row: NDArray[np.int64]) -> pd.DataFrame:
    """Take a patient's row for each image, empty where it is -1."""
    columns = ["sex", "anchor_age_years", "anchor_year"]
    return pd.DataFrame({name: take(patients[name], row) for name in columns})
