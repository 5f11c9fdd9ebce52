import pytest

from cxrfair import datasets, sources
from cxrfair.labels import LabelConfig
from cxrfair.sources import Source

DATA = {
    "nih_chestxray14": Source(root="data/phantom/nih_chestxray14"),
    "vindr_cxr": Source(root="/data/vindr"),
    "jsrt": Source(root="data/phantom/jsrt"),
    "mimic_iv": Source(root="data/phantom/mimic_iv"),
    "sites": Source(pool=("nih_chestxray14", "vindr_cxr")),
}
LABELS = LabelConfig(
    uncertain={"default": "ignore"},
    unmentioned={"default": "zero"},
    union={"lesion": ["nodule", "nodule_mass"], "wet": ["edema"]},
)


def test_a_pool_is_its_members_and_another_data_set_itself():
    assert sources.members(DATA, "sites") == ("nih_chestxray14", "vindr_cxr")
    assert sources.members(DATA, "jsrt") == ("jsrt",)
    assert sources.members(DATA, "nobody") == ("nobody",)


def test_a_pool_states_what_any_member_does_and_unions_of_it():
    of = {name: set(sources.stated(DATA, name, LABELS)) for name in DATA}
    assert of["jsrt"] == {"nodule", "lesion"}
    assert of["sites"] == of["nih_chestxray14"] | of["vindr_cxr"]
    assert {"hernia", "tuberculosis", "lesion", "wet"} <= of["sites"]
    assert of["mimic_iv"] == set()


def test_every_label_is_that_of_some_data_set_of_images():
    every = sources.every_label()
    assert {"nodule", "nodule_mass", "lung_lesion", "late_stage"} <= every
    assert all(set(datasets.labels(name)) <= every for name in datasets.names())


def test_nothing_is_wrong_with_what_is_right():
    assert [fault for name in DATA for fault in sources.faults(name, DATA)] == []


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("nih", Source(root="x"), "params.yaml data.nih: no such data set; have "),
        ("pool two", Source(pool=("jsrt", "vindr_cxr")), "data.pool two: this name a pool cannot"),
        ("both", Source(pool=("sites", "jsrt")), "data.both.pool: 'sites'; allowed: data sets of"),
        ("both", Source(pool=("mimic_iv", "jsrt")), "data.both.pool: 'mimic_iv'; allowed: data s"),
        ("both", Source(pool=("padchest", "jsrt")), "data.both.pool: 'padchest'; allowed: data se"),
    ],
)
def test_what_is_wrong_is_named(name, source, message):
    (fault,) = sources.faults(name, DATA | {name: source})
    assert message in fault
