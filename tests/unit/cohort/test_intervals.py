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


def _numbers(people):
    return pd.Series(["abc".index(person) for person in people], dtype="int64")


def _frames(moments, stays, names=None):
    people, at = zip(*moments, strict=True)
    columns = zip(*stays, strict=True) if stays else ([], [], [])
    owners, starts, ends = columns
    names = names or [f"s{row}" for row in range(len(stays))]
    return (
        pd.DataFrame({"person": _numbers(people), "acquired_at": _times(at)}),
        pd.DataFrame(
            {
                "person": _numbers(owners),
                "stay_id": pd.Series(names, dtype="str"),
                "starts_at": _times(starts),
                "ends_at": _times(ends),
            }
        ),
    )


def _one_by_one(moment, stays, names):
    """The rules, for one moment: (containing, nearest, gap in hours, how many contain it)."""
    person, at = moment
    known = [
        (row, start, max(start, start if end is None else end))
        for row, (owner, start, end) in enumerate(stays)
        if owner == person
    ]
    if at is None or not known:
        return -1, -1, np.nan, 0
    inside = [stay for stay in known if stay[1] <= at <= stay[2]]
    latest = min(inside, key=lambda stay: (-stay[2], stay[1], names[stay[0]]), default=(-1,))

    def how_near(stay):
        row, start, end = stay
        late = start > at
        return max(start - at, at - end, 0), late, end if late else -end, start, names[row]

    nearest = min(known, key=how_near)
    return latest[0], nearest[0], how_near(nearest)[0], len(inside)


@settings(deadline=None, max_examples=200)
@given(MOMENTS, STAYS, st.randoms(use_true_random=False))
def test_it_agrees_with_looking_at_every_stay(moments, stays, random):
    names = [f"s{row}" for row in range(len(stays))]
    random.shuffle(names)
    found = search(*_frames(moments, stays, names))
    for i, moment in enumerate(moments):
        inside, nearest, hours, number = _one_by_one(moment, stays, names)
        assert found.seconds[i] == hours * 3600 or np.isnan([found.seconds[i], hours]).all()
        assert (found.inside[i], found.nearest[i]) == (inside, nearest)
        assert found.n_inside[i] == number


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


def test_of_stays_with_the_same_times_the_first_name_counts():
    stays = [("a", 8, 12), ("a", 8, 12), ("a", 8, 12)]
    found = search(*_frames([("a", 10)], stays, ["s2", "s1", "s3"]))
    assert (found.inside[0], found.n_inside[0]) == (1, 3)
    assert search(*_frames([("a", 20)], stays, ["s2", "s1", "s3"])).nearest[0] == 1


def test_a_stay_that_ends_before_it_begins_is_a_moment():
    found = search(*_frames([("a", 10), ("a", 8)], [("a", 10, 5)]))
    assert found.inside.tolist() == [0, -1]
    assert found.seconds.tolist() == [0, 2 * 3600]
