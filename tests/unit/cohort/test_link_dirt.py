"""Linking of tables as bad as hypothesis can make them, against the rules one by one."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.cohort.attributes import race_groups
from cxrfair.cohort.link import LinkConfig, link

ORIGIN = pd.Timestamp("2150-12-25")  # a new year is near
MAX_DAYS = 3
PEOPLE = st.sampled_from("abc")
HOURS = st.integers(0, 400)
WORDS = ["WHITE", "WHITE - RUSSIAN", "ASIAN", "UNKNOWN", None]
RULES = st.sampled_from(["latest", "mode", "drop"])

IMAGES = st.lists(st.tuples(PEOPLE, st.none() | HOURS), min_size=1, max_size=5)
PATIENTS = st.dictionaries(
    PEOPLE,
    st.tuples(
        st.sampled_from(["female", "male", "unknown"]),
        st.sampled_from([None, 0, 1, 40, 91]),
        st.sampled_from([None, 2140, 2150, 2153]),
    ),
)


@st.composite
def hospital_stays(draw):
    """Stays in any order that overlap, lie in one another, are the same, take no time, never end,
    or end before they begin; of people who may have no image and no row of their own."""
    stays = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(HOURS)
        how = draw(st.sampled_from(["some", "some", "no time", "no end", "backwards", "again"]))
        ends = {
            "some": start + draw(st.integers(1, 200)),
            "no time": start,
            "no end": None,
            "backwards": start - draw(st.integers(1, 50)),
        }
        person, race = draw(PEOPLE), draw(st.sampled_from(WORDS))
        insurance = draw(st.sampled_from(["Medicare", "Medicaid", None]))
        kind = draw(st.sampled_from(["admission", "admission", "emergency"]))
        if how == "again" and stays:
            person, start, end = stays[-1][:3]
        else:
            end = ends.get(how, start)
        stays.append((person, start, end, kind, race, None if kind == "emergency" else insurance))
    names = draw(st.permutations([f"s{row}" for row in range(len(stays))]))
    return [(*stay, name) for stay, name in zip(stays, names, strict=True)]


def _at(hours):
    return pd.Series(
        [pd.NaT if h is None else ORIGIN + pd.Timedelta(hours=h) for h in hours],
        dtype="datetime64[s]",
    )


def _text(words):
    return pd.Series(list(words), dtype="str")


def _frames(images, patients, stays):
    columns = list(zip(*stays, strict=True)) or [()] * 7
    frames = [
        (
            tables.RECORDS,
            {
                "image_id": _text(f"i{row}" for row in range(len(images))),
                "dataset": _text("d" for _ in images),
                "patient_id": _text(person for person, _ in images),
                "study_id": _text("1" for _ in images),
                "path": _text("x.jpg" for _ in images),
                "sex": _text("unknown" for _ in images),
                "acquired_at": _at([hour for _, hour in images]),
            },
        ),
        (
            tables.PATIENTS,
            {
                "patient_id": _text(patients),
                "sex": _text(sex for sex, _, _ in patients.values()),
                "anchor_age_years": pd.Series([p[1] for p in patients.values()], dtype="float32"),
                "anchor_year": pd.Series([p[2] for p in patients.values()], dtype="Int32"),
            },
        ),
        (
            tables.STAYS,
            {
                "patient_id": _text(columns[0]),
                "starts_at": _at(columns[1]),
                "ends_at": _at(columns[2]),
                "kind": _text(columns[3]),
                "race": _text(columns[4]),
                "insurance": _text(columns[5]),
                "stay_id": _text(columns[6]),
            },
        ),
    ]
    made = []
    for table, filled in frames:
        n = len(next(iter(filled.values())))
        made.append(table.empty().reindex(range(n)).assign(**filled))
    return made


def _span(stay):
    start, end = stay[1], stay[2]
    return start, start if end is None else max(start, end)


def _best(stays, at):
    """The stay that contains a time: of several the last to end, the first to start, by name."""
    inside = [stay for stay in stays if _span(stay)[0] <= at <= _span(stay)[1]]
    return min(inside, key=lambda s: (-_span(s)[1], _span(s)[0], s[6]), default=None)


def _nearest(stays, at):
    """The nearest stay and its distance in hours: of two equally near, the earlier."""

    def key(stay):
        start, end = _span(stay)
        later = start > at
        return max(start - at, at - end, 0), later, end if later else -end, start, stay[6]

    nearest = min(stays, key=key, default=None)
    return nearest, key(nearest)[0] if nearest else None


def _ladder(at, mine, is_patient):
    """Rung, days, insurance."""
    admissions = [stay for stay in mine if stay[3] == "admission"]
    if at is not None:
        if stay := _best(admissions, at):
            return "admission", 0, stay[5]
        if _best([stay for stay in mine if stay[3] == "emergency"], at):
            return "emergency", 0, None
        stay, hours = _nearest(admissions, at)
        if stay and hours <= MAX_DAYS * 24:
            return "nearest", hours / 24, stay[5]
    return ("patient" if is_patient or mine else "none"), None, None


def _race(mine, rule):
    """The race word, and whether there is a conflict."""
    group = {None: None, "UNKNOWN": None, "ASIAN": "asian"}
    known = [stay for stay in mine if group.get(stay[4], "white")]
    if any(stay[3] == "admission" for stay in known):
        known = [stay for stay in known if stay[3] == "admission"]
    if not known:
        return None, False
    groups = [group.get(stay[4], "white") for stay in known]

    def key(stay):
        often = groups.count(group.get(stay[4], "white")) if rule == "mode" else 0
        return often, stay[1], stay[6]

    return max(known, key=key)[4], len(set(groups)) > 1


def _age(at, patient):
    if at is None or patient is None or not patient[1] or patient[2] is None:
        return None
    age = patient[1] + (ORIGIN + pd.Timedelta(hours=at)).year - patient[2]
    return age if age >= 0 else None


def _by_loop(images, patients, stays, rule):
    """Each image's row, by the rules as they are written."""
    rows = {}
    for row, (person, at) in enumerate(images):
        mine = [stay for stay in stays if stay[0] == person]
        race, conflict = _race(mine, rule)
        if conflict and rule == "drop":
            continue
        patient = patients.get(person)
        rung, days, insurance = _ladder(at, mine, patient is not None)
        sex = patient[0] if patient else "unknown"
        rows[f"i{row}"] = (rung, days, insurance, sex, _age(at, patient), race)
    return rows


COLUMNS = ["link_rung", "link_distance_days", "insurance", "sex", "age_years", "race"]


def _linked(frames, rule):
    linked, flow = link(*frames, LinkConfig(nearest_max_days=MAX_DAYS, race_conflict=rule))
    tables.RECORDS.check(linked)
    tables.FLOW.check(flow)
    return linked.set_index("image_id")[COLUMNS].sort_index(), flow


def _same(value, expected):
    if expected is None:
        return pd.isna(value)
    return abs(value - expected) < 1e-5 if isinstance(expected, float) else value == expected


@settings(max_examples=100)
@given(IMAGES, PATIENTS, hospital_stays(), RULES)
def test_it_agrees_with_the_rules_one_by_one(images, patients, stays, rule):
    linked, flow = _linked(_frames(images, patients, stays), rule)
    expected = _by_loop(images, patients, stays, rule)
    assert linked.index.tolist() == sorted(expected)
    for name, row in linked.iterrows():
        for column, value, wanted in zip(COLUMNS, row, expected[name], strict=True):
            assert _same(value, wanted), f"{column} of {name}: {value}, not {wanted}"
    assert flow["images_in"].iloc[0] == len(images)
    assert flow["images_out"].iloc[-1] == len(linked)


def test_the_loop_groups_races_as_the_cohort_does():
    groups = race_groups(_text(WORDS), "seyyed_kalantari_2021").tolist()
    assert groups == ["white", "white", "asian", "unknown", "unknown"]


@given(IMAGES, PATIENTS, hospital_stays(), RULES, st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(images, patients, stays, rule, seed):
    frames = _frames(images, patients, stays)
    mixed = [frame.sample(frac=1, random_state=seed) for frame in frames]
    once, again = _linked(frames, rule), _linked(mixed, rule)
    pd.testing.assert_frame_equal(once[0], again[0])
    pd.testing.assert_frame_equal(once[1], again[1])


@given(IMAGES, PATIENTS, hospital_stays(), RULES, hospital_stays(), HOURS)
def test_a_new_patient_changes_nobody_else(images, patients, stays, rule, more, hour):
    new = [("z", *stay[1:6], f"z{stay[6]}") for stay in more]
    wider = ([*images, ("z", hour)], {"z": ("male", 91, 2150), **patients}, [*new, *stays])
    before = _linked(_frames(images, patients, stays), rule)[0]
    after = _linked(_frames(*wider), rule)[0]
    pd.testing.assert_frame_equal(before, after.drop(index=f"i{len(images)}", errors="ignore"))
