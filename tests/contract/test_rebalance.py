"""Promises every rebalancing strategy keeps; a new one is under test the moment its file exists."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import rebalance, tables
from cxrfair.config import ConfigError
from cxrfair.rebalance._strategy import reads_annotations, reads_features
from cxrfair.scales import at_scale

NAMES = rebalance.names()
PARAMS = Path(__file__).parents[2] / "params.yaml"
SETTINGS = at_scale(yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["rebalance"], "demo")
MEMBERS = pd.DataFrame(
    {
        "image_id": [f"i{k:02d}" for k in range(30)],
        "sex": ["female"] * 20 + ["male"] * 10,
        "age": ["20-40", "60-80"] * 15,
        "race": (["white"] * 2 + ["black"]) * 10,
        "edema": pd.Series([1, 0, pd.NA] * 10, dtype="Int8"),
    }
)


FEATURES = pd.DataFrame(
    np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), index=MEMBERS["image_id"]
)


# Of positive and of other images, of some that are not for training, and of one who is not asked.
MARKS = pd.DataFrame(
    {
        "image_id": [f"i{k:02d}" for k in range(24)] + ["x"],
        "label": "edema",
        "fold": ["train"] * 21 + ["test"] * 4,
        "row": range(25),
    }
)


def _listed(name, members=MEMBERS, seed=3):
    strategy = rebalance.get(name)
    more = ()
    if reads_features(strategy):
        more += (FEATURES.loc[members["image_id"]].to_numpy(copy=True),)
    if reads_annotations(strategy):
        more += (MARKS.copy(), ("p" + members["image_id"].str[1:2]).to_numpy(object))
    return strategy.rebalance(members, _config(name), seed, *more)


def _seeds(listed):
    """Augmentation seeds by image, of its first occurrence."""
    return listed.drop_duplicates("image_id").set_index("image_id")["augmentation_seed"]


def _config(name, **more):
    """Settings of the first entry of params.yaml that is made by a strategy."""
    own = next(own for entry, own in SETTINGS.items() if own.get("strategy", entry) == name)
    given = {key: value for key, value in own.items() if key != "strategy"} | more
    return rebalance.get(name).Config.parse(json.dumps(given), name)


@pytest.mark.parametrize("name", NAMES)
def test_it_makes_a_training_list(name, tmp_path):
    listed = _listed(name)
    tables.TRAINING_LIST.write(listed, tmp_path / "list.parquet")
    assert set(listed["image_id"]) <= set(MEMBERS["image_id"])
    assert (listed["weight"] > 0).all()
    assert listed["position"].tolist() == list(range(len(listed)))
    if not reads_annotations(rebalance.get(name)):
        assert listed["guided"].isna().all()


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
    listed = _listed(name)
    assert listed["augmentation_seed"].is_unique
    assert (listed["augmentation_seed"] >= 0).all()
    once, fewer = _seeds(listed), _seeds(_listed(name, MEMBERS.iloc[5:25]))
    common = fewer.index.intersection(once.index)
    assert len(common)
    assert fewer[common].equals(once[common])
    other = _seeds(_listed(name, seed=4))
    common = other.index.intersection(once.index)
    assert (other[common] != once[common]).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_itself_before_it_is_blended_and_only_training_images_take_part(name):
    listed = _listed(name)
    first = ~listed["image_id"].duplicated()
    assert listed.loc[first, ["partner", "share"]].isna().all(axis=None)
    assert set(listed["partner"].dropna()) <= set(MEMBERS["image_id"])
    assert listed["share"].isna().equals(listed["partner"].isna())


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_setting_is_refused(name):
    with pytest.raises(ConfigError, match=f"params.yaml {name}.ovr: no such setting"):
        _config(name, ovr=1)
