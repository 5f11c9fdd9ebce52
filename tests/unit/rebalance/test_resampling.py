import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.rebalance import RebalanceError, augment_upsample, cluster_downsample, resample

SIZES = {("f", "old"): 50, ("f", "young"): 9, ("m", "old"): 20, ("m", "unknown"): 1}
MEMBERS = pd.DataFrame(
    [cell for cell, n in SIZES.items() for _ in range(n)], columns=["sex", "age"]
).assign(image_id=[f"i{k:02d}" for k in range(80)])
MEMBERS["edema"] = pd.Series(([1] + [0] * 3) * 20, dtype="Int8")
MEMBERS["mass"] = pd.Series(([pd.NA] + [1] + [0] * 14) * 5, dtype="Int8")
FEATURES = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
BLENDED = (augment_upsample, resample)


def _listed(strategy, seed=3, **settings):
    chosen = {"over": ("sex", "age"), "target": "equal", "cap": None, **settings}
    if strategy in BLENDED:
        chosen = {"blend": False, **chosen}
    return strategy.rebalance(MEMBERS, strategy.Config(**chosen), seed, FEATURES)


def _counts(listed, over=("sex", "age")):
    return listed.merge(MEMBERS, on="image_id").groupby(list(over)).size().to_dict()


def test_every_cell_gets_its_target_exactly():
    assert _counts(_listed(resample)) == dict.fromkeys(SIZES, 20)
    assert _counts(_listed(cluster_downsample)) == SIZES | {("f", "old"): 20}
    up = SIZES | {("f", "young"): 20, ("m", "unknown"): 20}
    assert _counts(_listed(augment_upsample)) == up
    assert _counts(_listed(resample, target="median")) == dict.fromkeys(SIZES, 14)


def test_the_total_is_kept():
    for settings in ({}, {"target": "cap", "cap": 3.0}, {"over": ("edema", "mass")}):
        assert len(_listed(resample, **settings)) == 80


def test_down_sampling_lists_no_image_twice():
    assert _listed(cluster_downsample)["image_id"].is_unique


def test_copies_are_whole_rounds_and_a_remainder_of_the_cells_own():
    listed = _listed(augment_upsample)
    assert set(listed["image_id"]) == set(MEMBERS["image_id"])
    of_young = listed["image_id"][listed["image_id"].isin(MEMBERS["image_id"][50:59])]
    assert sorted(of_young.value_counts()) == [2] * 7 + [3] * 2
    assert listed["augmentation_seed"].is_unique
    assert listed["partner"].isna().all()
    assert listed["share"].isna().all()


def test_which_images_are_copied_once_more_is_chance():
    chosen = {tuple(_listed(augment_upsample, seed)["image_id"]) for seed in range(5)}
    assert len(chosen) > 1


@pytest.mark.parametrize("strategy", BLENDED)
def test_copies_are_blended_within_their_cell_and_firsts_are_themselves(strategy, tmp_path):
    listed = _listed(strategy, blend=True)
    tables.TRAINING_LIST.write(listed, tmp_path / "list.parquet")
    copied = listed["image_id"].duplicated()
    assert listed.loc[~copied, ["partner", "share"]].isna().all(axis=None)
    share = listed.loc[copied, "share"]
    assert share.between(0, 0.5, inclusive="neither").all()
    assert share.is_unique
    cell = MEMBERS.set_index("image_id")[["sex", "age"]].agg("-".join, axis=1)
    mates = listed[copied]
    assert (cell[mates["partner"]].to_numpy() == cell[mates["image_id"]].to_numpy()).all()
    alone = mates["image_id"] == "i79"  # the only one of its cell
    assert ((mates["partner"] == mates["image_id"]) == alone).all()


def test_partners_are_among_the_five_nearest_of_the_cell():
    listed = _listed(augment_upsample, blend=True)
    mates = listed[listed["partner"].notna()]
    rows = mates["image_id"].str[1:].astype(int).to_numpy()
    partner = mates["partner"].str[1:].astype(int).to_numpy()
    x = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    for row, other in zip(rows, partner, strict=True):
        if 50 <= row < 59:
            others = [k for k in range(50, 59) if k != row]
            assert other in sorted(others, key=lambda k: apart[row, k])[:5]


def test_shares_fill_the_range_from_nothing_to_a_half():
    share = _listed(augment_upsample, blend=True, target="cap", cap=1.0)["share"].dropna()
    assert len(share) == 120
    assert share.mean() == pytest.approx(0.25, abs=0.05)
    assert share.min() < 0.05
    assert share.max() > 0.45


def test_labels_are_brought_to_their_target():
    # 20 and 5 positives (a doubtful or missing label is none): targets 13 and 12
    listed = _listed(resample, over=("edema", "mass")).merge(MEMBERS, on="image_id")
    assert (listed["edema"] == 1).sum() == 13
    assert (listed["mass"] == 1).sum() == 12


def test_images_of_a_kind_of_labels_are_blended_among_themselves():
    listed = _listed(resample, over=("edema", "mass"), blend=True)
    mates = listed[listed["partner"].notna()]
    positive = MEMBERS.set_index("image_id")[["edema", "mass"]].eq(1).fillna(False)
    own, other = positive.loc[mates["image_id"]], positive.loc[mates["partner"]]
    assert (own.to_numpy() == other.to_numpy()).all()
    assert len(mates)


@pytest.mark.parametrize("strategy", [cluster_downsample, augment_upsample, resample])
def test_nothing_depends_on_the_order_of_the_members(strategy):
    settings = {"blend": True} if strategy in BLENDED else {}
    config = strategy.Config(over=("sex",), target="equal", cap=None, **settings)
    order = np.random.default_rng(0).permutation(80)
    one = strategy.rebalance(MEMBERS, config, 3, FEATURES)
    other = strategy.rebalance(MEMBERS.iloc[order], config, 3, FEATURES[order])
    pd.testing.assert_frame_equal(one, other)


def test_no_members_no_list():
    config = resample.Config(over=("sex",), target="equal", cap=None, blend=True)
    assert resample.rebalance(MEMBERS[:0], config, 0, FEATURES[:0]).empty


def test_attributes_beside_labels_are_refused():
    said = r"resample\.over: labels \['edema'\] beside attributes; name attributes or labels"
    with pytest.raises(RebalanceError, match=said):
        _listed(resample, over=("sex", "edema"))


def test_an_unknown_name_lists_what_is_allowed():
    said = r"resample\.over: no \['race'\]; have sex, age, edema, mass"
    with pytest.raises(RebalanceError, match=said):
        _listed(resample, over=("race",))
