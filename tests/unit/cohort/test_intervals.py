import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.cohort.intervals import search

ORIGIN = pd.Timestamp("2150-01-01")
HOURS = st.integers(0, 40)
PEOPLE = st.sampled_from("abc")
MOMENTS = st.lists(st.tuples(PEOPLE, st.none() | HOURS), min_size=1, max_size=8)
STAYS = st.lists(st.tuples(PEOPLE, HOURS, st.none() | HOURS), max_size=10)


def _times(hours):
    return pd.Series(
        [pd.NaT if h is None else ORIGIN + pd.Timedelta(hours=h) for h in hours],
        dtype="datetime64[s]",
    )


def _frames(moments, stays):
    people, at = zip(*moments, strict=True)
    columns = zip(*stays, strict=True) if stays else ([], [], [])
    owners, starts, ends = columns
    return (
        pd.DataFrame({"patient_id": pd.Series(people, dtype="str"), "acquired_at": _times(at)}),
        pd.DataFrame(
            {
                "patient_id": pd.Series(owners, dtype="str"),
                "starts_at": _times(starts),
                "ends_at": _times(ends),
            }
        ),
    )


def _one_by_one(moment, stays):
    """The rules as they are written, for one moment: (containing, nearest, gap in hours)."""
    person, at = moment
    known = [
        (row, start, max(start, start if end is None else end))
        for row, (owner, start, end) in enumerate(stays)
        if owner == person
    ]
    if at is None or not known:
        return -1, -1, np.nan
    inside = [stay for stay in known if stay[1] <= at <= stay[2]]
    latest = min(inside, key=lambda stay: (-stay[2], stay[1]), default=(-1,))
    gap = {row: max(start - at, at - end, 0) for row, start, end in known}
    return latest[0], min(gap, key=gap.get), min(gap.values())


@settings(deadline=None)
@given(MOMENTS, STAYS)
def test_it_agrees_with_looking_at_every_stay(moments, stays):
    found = search(*_frames(moments, stays))
    for i, moment in enumerate(moments):
        inside, nearest, hours = _one_by_one(moment, stays)
        assert found.seconds[i] == hours * 3600 or np.isnan([found.seconds[i], hours]).all()
        for chosen, expected in ((found.inside[i], inside), (found.nearest[i], nearest)):
            assert (chosen < 0) == (expected < 0)
            if chosen >= 0:
                assert stays[chosen][0] == moment[0]
        if inside >= 0:  # equal stays may stand for one another
            assert stays[found.inside[i]][1:] == stays[inside][1:]


def test_of_two_equally_near_the_earlier_counts():
    found = search(*_frames([("a", 10)], [("a", 15, 20), ("a", 0, 5)]))
    assert (found.nearest[0], found.seconds[0], found.inside[0]) == (1, 5 * 3600, -1)


def test_of_overlapping_stays_the_one_that_ends_last_counts():
    stays = [("a", 8, 12), ("a", 0, 20), ("a", 9, 15)]
    assert search(*_frames([("a", 10)], stays)).inside[0] == 1


def test_an_unequal_person_with_the_same_times_is_not_found():
    found = search(*_frames([("a", 10), ("b", 10)], [("a", 8, 12)]))
    assert found.inside.tolist() == [0, -1]
    assert found.nearest.tolist() == [0, -1]
