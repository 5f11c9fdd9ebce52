"""Lists of one set of images, of which more or fewer have their masks shown."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.config import ConfigError
from cxrfair.rebalance import RebalanceError, guided_share

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
N = 200


@pytest.fixture(scope="module")
def members():
    """Images of 80 people; edema is common and mass is rare, and some is unknown."""
    draw = np.random.default_rng(0)
    targets = {
        "edema": pd.array(draw.choice([0, 1], N), "Int8"),
        "mass": pd.array(draw.choice([0, 0, 0, 1], N), "Int8"),
    }
    targets["mass"][:20] = None
    return pd.DataFrame({"image_id": [f"i{n:03}" for n in range(N)], "sex": "female", **targets})


PATIENTS = np.array([f"p{n * 2 // 5}" for n in range(N)], dtype=object)


@pytest.fixture(scope="module")
def marks():
    """Masks of two images of three, whatever their targets; of some that are not for training."""
    drawn = [f"i{n:03}" for n in range(N) if n % 3] + ["x", "y"]
    rows = [(image, label) for image in drawn for label in ("edema", "mass", "other")]
    frame = pd.DataFrame(rows, columns=["image_id", "label"])
    fold = np.where(frame["image_id"].isin(["x", "i001", "i002"]), "test", "train")
    return frame.assign(fold=fold, row=range(len(frame)))


def listed(members, marks, level, ratio=1.0, seed=0, patients=PATIENTS):
    config = guided_share.Config(level=level, ratio=ratio)
    found = guided_share.rebalance(members, config, seed, marks, patients)
    tables.TRAINING_LIST.check(found)
    return found


def pairs(found):
    """Image and label of every guided pair."""
    rows = found.dropna(subset="guided")[["image_id", "guided"]].itertuples(index=False)
    return {(image, label) for image, names in rows for label in json.loads(names)}


def annotated(members, marks, label):
    """Images that are positive for a label and have a mask that may be learnt from."""
    own = set(marks.loc[(marks["label"] == label) & (marks["fold"] == "train"), "image_id"])
    return own & set(members.loc[(members[label] == 1).fillna(False), "image_id"])


def people(found):
    return {PATIENTS[int(image[1:])] for image in found["image_id"]}


@pytest.mark.parametrize("level", LEVELS)
def test_exactly_the_asked_share_of_each_label_is_guided(members, marks, level):
    guided = pairs(listed(members, marks, level))
    for label in ("edema", "mass"):
        could = annotated(members, marks, label)
        own = {image for image, name in guided if name == label}
        assert len(could) > 20
        assert len(own) == round(level * len(could))
        assert own <= could
    assert {name for _, name in guided} <= {"edema", "mass"}


def test_all_levels_list_the_same_images_and_change_them_alike(members, marks):
    found = [listed(members, marks, level, ratio=0.6) for level in LEVELS]
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0].drop(columns="guided"), other.drop(columns="guided"))
    assert found[0]["guided"].isna().all()
    assert found[0]["weight"].eq(1).all()
    assert found[0]["image_id"].is_unique
    for less, more in pairwise(map(pairs, found)):
        assert less < more


def test_nothing_but_marks_of_training_images_counts(members, marks):
    guided = pairs(listed(members, marks, 1.0))
    assert {image for image, _ in guided}.isdisjoint({"x", "y", "i001", "i002"})
    elsewhere = marks.assign(fold="validation")
    assert pairs(listed(members, elsewhere, 0.0)) == set()
    with pytest.raises(RebalanceError, match="level 0.25, but 0 listed images are positive"):
        listed(members, elsewhere, 0.25)


def test_the_seed_decides_who_is_guided_and_not_who_is_listed(members, marks):
    one, other = (listed(members, marks, 0.5, ratio=0.5, seed=seed) for seed in (0, 1))
    assert one["image_id"].equals(other["image_id"])
    assert pairs(one) != pairs(other)
    assert len(pairs(one)) == len(pairs(other))


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_exactly_the_asked_share_of_the_patients_is_listed_whole(members, marks, ratio):
    found = listed(members, marks, 1.0, ratio)
    kept = people(found)
    assert len(kept) == round(ratio * 80)
    assert found["image_id"].tolist() == [
        image for image, who in zip(members["image_id"], PATIENTS, strict=True) if who in kept
    ]


def test_who_is_listed_at_less_is_listed_at_more(members, marks):
    kept = [people(listed(members, marks, 0.0, ratio / 20)) for ratio in range(1, 21)]
    assert all(less < more for less, more in pairwise(kept))


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_every_cell_of_labels_keeps_its_share_to_one_patient(members, marks, ratio):
    has = members[["edema", "mass"]].eq(1).fillna(False).groupby(PATIENTS).any()
    cell = has["edema"].astype(str) + has["mass"].astype(str)
    kept = people(listed(members, marks, 0.0, ratio))
    for _, of in cell.groupby(cell):
        exact = ratio * len(of)
        assert np.floor(exact) - 1 <= len(kept & set(of.index)) <= np.ceil(exact) + 1
    for label in ("edema", "mass"):
        whole = has.index[has[label]]
        share = len(kept & set(whole)) / len(whole)
        assert abs(share - ratio) < 0.06


def test_rare_cells_are_not_all_kept_or_all_left_out(marks):
    # Thirty labels, each positive for one patient alone: no cell could keep a quarter of itself.
    n = 120
    ids = [f"i{k:03}" for k in range(n)]
    alone = {f"l{k:02}": pd.array([int(k == m) for m in range(n)], "Int8") for k in range(30)}
    members = pd.DataFrame({"image_id": ids, **alone})
    who = np.array([f"q{k}" for k in range(n)], dtype=object)
    found = listed(members, marks, 0.0, 0.25, patients=who)
    assert len(found) == 30
    assert 2 <= found["image_id"].isin(ids[:30]).sum() <= 14


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.floats(0.01, 1), st.floats(0, 1), st.integers(0, 5))
def test_counts_hold_for_any_share(n, ratio, level, seed):
    members = pd.DataFrame(
        {"image_id": [f"i{k:02}" for k in range(n)], "edema": pd.array([1] * n, "Int8")}
    )
    marks = pd.DataFrame({"image_id": members["image_id"], "label": "edema", "fold": "train"})
    who = members["image_id"].to_numpy(object)
    config = guided_share.Config(level=level, ratio=ratio)
    kept = round(ratio * n)
    if kept == 0 and level > 0:
        with pytest.raises(RebalanceError):
            guided_share.rebalance(members, config, seed, marks, who)
        return
    found = guided_share.rebalance(members, config, seed, marks, who)
    assert len(found) == kept
    assert found["guided"].notna().sum() == round(level * kept)


def test_several_labels_of_an_image_stand_in_order(marks):
    both = pd.DataFrame({"image_id": ["i004"], "mass": pd.array([1], "Int8"), "edema": [1]})
    found = listed(both, marks, 1.0, patients=np.array(["p"], object))
    assert found["guided"].tolist() == ['["edema", "mass"]']


def test_a_missing_or_doubtful_target_is_not_positive(marks):
    odd = pd.DataFrame({"image_id": ["i004", "i005"], "edema": pd.array([None, 0], "Int8")})
    who = np.array(["p", "q"], object)
    assert listed(odd, marks, 0.0, patients=who)["guided"].isna().all()
    with pytest.raises(RebalanceError, match="at least 1 is needed, or level 0"):
        listed(odd, marks, 1.0, patients=who)


@pytest.mark.parametrize("wrong", ['{"level": 1.1, "ratio": 1}', '{"level": 0, "ratio": 0}'])
def test_shares_outside_what_can_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"rebalance\.guided_share\.(level|ratio)"):
        guided_share.Config.parse(wrong, "rebalance.guided_share")
