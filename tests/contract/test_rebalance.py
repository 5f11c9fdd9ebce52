"""Promises every rebalancing strategy keeps; a new one is under test the moment its file exists."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cxrfair import rebalance, tables
from cxrfair.config import ConfigError
from cxrfair.scales import at_scale

NAMES = rebalance.names()
PARAMS = Path(__file__).parents[2] / "params.yaml"
SETTINGS = at_scale(yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["rebalance"], "demo")
MEMBERS = pd.DataFrame(
    {
        "image_id": [f"i{k:02d}" for k in range(30)],
        "sex": ["female"] * 20 + ["male"] * 10,
        "age": ["20-40", "60-80"] * 15,
        "edema": pd.Series([1, 0, pd.NA] * 10, dtype="Int8"),
    }
)


def _listed(name, members=MEMBERS, seed=3):
    return rebalance.get(name).rebalance(members, _config(name), seed)


def _config(name, **more):
    return rebalance.get(name).Config.parse(json.dumps({**SETTINGS[name], **more}), name)


@pytest.mark.parametrize("name", NAMES)
def test_it_makes_a_training_list(name, tmp_path):
    listed = _listed(name)
    tables.TRAINING_LIST.write(listed, tmp_path / "list.parquet")
    assert set(listed["image_id"]) <= set(MEMBERS["image_id"])
    assert (listed["weight"] > 0).all()
    assert listed["position"].tolist() == list(range(len(listed)))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_members_does_not_matter(name):
    shuffled = MEMBERS.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(_listed(name), _listed(name, shuffled))


@pytest.mark.parametrize("name", NAMES)
def test_the_members_are_left_as_they_were(name):
    members = MEMBERS.copy()
    _listed(name, members)
    pd.testing.assert_frame_equal(members, MEMBERS)


@pytest.mark.parametrize("name", NAMES)
def test_augmentation_follows_the_seed_and_not_the_company(name):
    once = _listed(name).set_index("image_id")["augmentation_seed"]
    fewer = _listed(name, MEMBERS.iloc[5:25]).set_index("image_id")["augmentation_seed"]
    assert once.is_unique
    assert (once >= 0).all()
    common = fewer.index.intersection(once.index)
    assert fewer[common].equals(once[common])
    other = _listed(name, seed=4).set_index("image_id")["augmentation_seed"]
    assert (other != once).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_setting_is_refused(name):
    with pytest.raises(ConfigError, match=f"params.yaml {name}.ovr: no such setting"):
        _config(name, ovr=1)
