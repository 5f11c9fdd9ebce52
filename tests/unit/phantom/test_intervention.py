import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from cxrfair.phantom import intervention, population, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.intervention import World
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.population import FINDINGS

PROFILE = Profile("test", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, True)
PATIENTS = np.arange(60)
SIZE = 32
WHO = ["patient", "study", "image", "key", "image_key", "day", "lateral"]
PLACED = [f"{f}_{number}" for f in FINDINGS for number in ("side", "x", "y", "size")]
TRUTH = [c for f in FINDINGS for c in (f, f"{f}_severity", f"{f}_load")]
ATTRIBUTES = ["sex", "race", "insurance", "age_years", "age_bin"]
DOS = [{"sex": "female"}, {"race": "black"}, {"age_years": 80}, {"insurance": "medicaid"}]
NO_DIRECT = {"direct_path": {"sex": 0.0, "race": 0.0, "age": 0.0}, "device_path": 0.0}
NO_INDIRECT = {"indirect_path": {"sex": 0.0, "race": 0.0, "age": 0.0, "insurance": 0.0}}
DO = st.fixed_dictionaries(
    {},
    optional={
        "sex": st.sampled_from(["female", "male"]),
        "race": st.sampled_from(["white", "black", "hispanic", "asian", "other"]),
        "insurance": st.sampled_from(["medicare", "private", "medicaid", "other"]),
        "age_years": st.floats(18, 95.9) | st.integers(18, 95),
    },
)


def _build(config, do=None, path="total", patients=PATIENTS):
    return scene.build(config, PROFILE, patients, do, path)


def _pictures(rows):
    return np.concatenate([pictures.grey for _, pictures in scene.batches(rows, SIZE)])


@settings(max_examples=25, deadline=None)
@given(do=DO, path=st.sampled_from(["direct", "indirect", "total"]))
def test_every_intervention_keeps_rows_luck_and_appointments(make_config, do, path):
    factual, other = _build(make_config()), _build(make_config(), do, path)
    assert factual.columns.tolist() == other.columns.tolist()
    assert_frame_equal(factual[WHO + PLACED], other[WHO + PLACED])
    seen = {} if path == "indirect" else do
    for attribute, value in seen.items():
        assert (other.loc[other["day"] == 0, attribute] == value).all()


@pytest.mark.parametrize("do", DOS, ids=str)
def test_the_direct_path_holds_disease_and_the_indirect_path_holds_the_rest(make_config, do):
    config = make_config(indirect_path={"sex": 3.0, "race": 3.0, "age": 3.0, "insurance": 9.0})
    factual = _build(config, patients=np.arange(300))
    direct, indirect, total = (
        _build(config, do, path, np.arange(300)) for path in ("direct", "indirect", "total")
    )
    assert_frame_equal(direct[TRUTH], factual[TRUTH])
    assert_frame_equal(indirect[TRUTH], total[TRUTH])
    assert not indirect[TRUTH].equals(factual[TRUTH])
    assert_frame_equal(direct[ATTRIBUTES], total[ATTRIBUTES])
    assert_frame_equal(indirect[ATTRIBUTES], factual[ATTRIBUTES])
    taken = ["portable", "view", "log_gamma", "grain", "breast", "bone", "lung_width"]
    assert_frame_equal(indirect[taken], factual[taken])
    assert_frame_equal(direct[taken], total[taken])
    assert not direct[taken].equals(factual[taken])


@pytest.mark.parametrize("do", DOS, ids=str)
@pytest.mark.parametrize(("path", "off"), [("direct", NO_DIRECT), ("indirect", NO_INDIRECT)])
def test_a_path_of_no_strength_leaves_every_pixel(make_config, do, path, off):
    shut = make_config(**off)
    np.testing.assert_array_equal(_pictures(_build(shut)), _pictures(_build(shut, do, path)))
    open_ = make_config(patients=60, indirect_path=dict.fromkeys(NO_INDIRECT["indirect_path"], 9.0))
    assert (_pictures(_build(open_)) != _pictures(_build(open_, do, path))).any()


def test_what_somebody_is_already_changes_nothing(make_config):
    factual = _build(make_config())
    for do in ({}, None):
        assert_frame_equal(_build(make_config(), do), factual)
    female = _build(make_config(), {"sex": "female"})
    rows = factual["sex"] == "female"
    assert_frame_equal(female[rows], factual[rows])


def test_doing_is_undone_by_doing_the_opposite(make_config):
    config = make_config()
    persons = population.people(config, PATIENTS)
    do = {"sex": persons["sex"][0], "age_years": float(persons["age_years"][0])}
    assert_frame_equal(population.people(config, PATIENTS[:1], do), persons.head(1))


def test_insurance_goes_with_the_age_that_is_set_unless_it_is_set(make_config):
    people = population.people(make_config(), np.arange(2000), {"age_years": 80})
    assert (people["insurance"] == "medicare").mean() == pytest.approx(0.88, abs=0.03)
    assert set(people["age_bin"]) == {3}
    both = population.people(make_config(), PATIENTS, {"age_years": 80, "insurance": "other"})
    assert set(both["insurance"]) == {"other"}


@pytest.mark.parametrize(
    ("do", "path", "words"),
    [
        ({"gender": "female"}, "total", "do: no attribute gender; one of sex, race, insurance"),
        ({"sex": "F"}, "total", "do.sex: 'F'; one of female, male"),
        ({"race": 3}, "total", "do.race: 3; one of white, black"),
        ({"age_years": 17}, "total", "do.age_years: 17; a number of years from 18 to below 96"),
        ({"age_years": float("nan")}, "total", "do.age_years: nan"),
        ({"age_years": "80"}, "total", "do.age_years: '80'"),
        ({"age_years": True}, "total", "do.age_years: True"),
        ({"sex": "female"}, "sideways", "path: 'sideways'; one of direct, indirect, total"),
        (None, "sideways", "path: 'sideways'"),
    ],
)
def test_what_cannot_be_done_is_refused(make_config, do, path, words):
    with pytest.raises(PhantomError) as error:
        scene.build(make_config(), PROFILE, PATIENTS, do, path)
    assert words in str(error.value)


@pytest.mark.parametrize("half", ["shown", "ill"])
def test_what_cannot_be_done_is_refused_along_either_path(make_config, half):
    with pytest.raises(PhantomError, match=r"do\.sex: 'F'; one of female, male"):
        intervention.people(make_config(), PATIENTS, World(**{half: {"sex": "F"}}))


def test_a_path_is_half_a_world():
    do = {"sex": "female"}
    assert intervention.along(do, "direct") == World(shown=do)
    assert intervention.along(do, "indirect") == World(ill=do)
    assert intervention.along(do) == World(do, do)
    assert intervention.along(None) == intervention.along({}, "direct") == World()


def test_each_half_of_a_world_makes_its_own_half_of_the_scene(make_config):
    config = make_config(indirect_path={"sex": 3.0, "race": 3.0, "age": 3.0, "insurance": 9.0})
    who = np.arange(300)
    male, female = ({"sex": value} for value in ("male", "female"))
    mixed = scene.build_in(config, PROFILE, who, World(shown=female, ill=male))
    shown, ill = (_build(config, do, "total", who) for do in (female, male))
    seen = [*ATTRIBUTES, "portable", "breast", "lung_width", "log_gamma", "bone"]
    assert_frame_equal(mixed[WHO + PLACED], shown[WHO + PLACED])
    assert_frame_equal(mixed[seen], shown[seen])
    assert_frame_equal(mixed[TRUTH], ill[TRUTH])
    assert not shown[TRUTH].equals(ill[TRUTH])
    assert not shown[seen].equals(ill[seen])


def test_pairs_of_values_that_cannot_be_set_are_listed():
    good = {"sex": ("male", "female"), "race": ("white", "black")}
    assert intervention.faults(good) == []
    assert intervention.faults({}) == []
    wrong = {"sex": ("F", "M"), "race": ("black", "black"), "age_years": ("20", "80")}
    assert intervention.faults(wrong) == [
        "effects.sex: 'F'; one of female, male",
        "effects.sex: 'M'; one of female, male",
        "effects.race: 'black' twice; two of white, black, hispanic, asian, other",
        "effects: no attribute 'age_years'; one of sex, race, insurance",
    ]
