from cxrfair import phantom
from cxrfair.phantom.families import FAMILIES, FIRST, family, settled


def test_every_member_of_a_family_is_a_data_set_and_in_no_other():
    members = [name for of in FAMILIES.values() for name in of]
    assert set(members) <= set(phantom.names())
    assert len(members) == len(set(members))
    assert family("chexlocalize") == family("chexpert") == "chexpert"
    assert family("jsrt") == "jsrt"


def test_the_seed_is_all_that_a_family_changes(make_config):
    config = make_config(seed=3)
    assert all(settled(config, name) is config for name in FAMILIES[FIRST])
    other = settled(config, "jsrt")
    assert other.model_dump(exclude={"seed"}) == config.model_dump(exclude={"seed"})


def test_seeds_of_families_and_of_users_all_differ_and_fit_in_an_int64(make_config):
    names = sorted({family(name) for name in phantom.names()})
    seeds = [settled(make_config(seed=seed), name).seed for seed in range(20) for name in names]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**63


def test_the_same_seed_gives_the_same_family_seed(make_config):
    assert settled(make_config(), "jsrt") == settled(make_config(), "jsrt")
