"""Heads on stored features: what they may learn from, and what is written of them."""

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair import embeddings, tables
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.head_trials import (
    HeadSpec,
    HeadTrialsError,
    _known,
    align,
    describe,
    fit,
    predict,
    score,
)
from cxrfair.heads import Fitted

SPEC = {
    "head": "dfr",
    "settings": {
        **{"learning_rate": 0.01, "weight_decay": 0.0, "batch_size": 8, "epochs": 1},
        **{"weighted_bce": False, "per_group": 6},
    },
    **{"groups": ("sex", "race"), "labels": ("edema", "mass"), "seed": 2, "trials": 3},
}
N = 60


def spec(**changes):
    return HeadSpec(**{**SPEC, **changes})


@pytest.fixture
def frames():
    """60 images in three folds, in no order of id; of every tenth the race is unknown."""
    ids = pd.Series([f"i{k:02d}" for k in np.random.default_rng(0).permutation(N)])
    number = ids.str[1:].astype(int).to_numpy()
    fold = np.array(["train", "train", "test", "validation"])[number // 4 % 4]
    splits = pd.DataFrame({"image_id": ids, "fold": fold, "cell": "all"})
    race = np.where(number % 10 == 0, "unknown", np.array(["white", "black"])[number % 2])
    sex = np.array(["female", "male"])[number // 2 % 2]
    cohort = pd.DataFrame({"image_id": ids, "sex": sex, "race": race}).iloc[::-1]
    targets = pd.DataFrame({"edema": number % 3 == 0, "mass": number % 5 == 0}).astype("Int8")
    targets = targets.assign(image_id=ids)
    targets.loc[number == 8, "edema"] = -1
    targets.loc[number == 16, "edema"] = -1
    targets.loc[number == 9, "edema"] = pd.NA
    long = targets.melt("image_id", var_name="label", value_name="target")
    return splits, cohort, long


@pytest.fixture
def stored(tmp_path):
    """Features of image k are (k, 1)."""
    values = np.stack([np.arange(N), np.ones(N)], axis=1).astype(np.float32)
    embeddings.write(tmp_path / "e.npy", [values[::-1]], values.shape)
    index = pd.DataFrame({"image_id": [f"i{k:02d}" for k in range(N)], "row": np.arange(N)[::-1]})
    return Embeddings(tmp_path / "e.npy", index)


def test_what_is_known_of_images_stands_side_by_side(frames):
    """Images 0 and 10 are of unknown race; 8 is in doubt of edema, 9 without a target."""
    images = align(spec(), *frames)
    assert images.ids["image_id"].tolist() == [f"i{k:02d}" for k in range(N)]
    assert images.groups == (
        "female x black",
        "female x white",
        "male x black",
        "male x white",
    )
    assert images.group[[0, 1, 2, 3, 4, 5, 10]].tolist() == [-1, 0, 3, 2, 1, 0, -1]
    assert images.target[8].tolist() == [-1, 0]
    assert np.isnan(images.target[9, 0])
    assert images.of("test").tolist() == [k for k in range(N) if k // 4 % 4 == 2]


def test_a_head_that_is_blind_to_groups_has_one_of_all(frames):
    images = align(spec(groups=()), *frames)
    assert images.groups == ("all",)
    assert (images.group == 0).all()


def test_of_a_label_in_doubt_half_of_each_class_is_learnt(frames, stored):
    images = align(spec(), *frames)
    known = _known(images, np.array([16, 9, 12]), stored)
    np.testing.assert_array_equal(known.target[:, 0], [0.5, np.nan, 1])
    assert known.features[:, 0].tolist() == [16, 9, 12]
    assert images.target[16, 0] == -1


def test_heads_learn_from_training_images_alone(frames, stored):
    splits, cohort, targets = frames
    before = fit(spec(), align(spec(), *frames), stored, torch.device("cpu"))
    held_out = set(splits.loc[splits["fold"] != "train", "image_id"])
    turned = targets["target"].where(~targets["image_id"].isin(held_out), 1 - targets["target"])
    other = (splits, cohort, targets.assign(target=turned.where(turned != 2, -1)))
    after = fit(spec(), align(spec(), *other), stored, torch.device("cpu"))
    np.testing.assert_array_equal(before.weight, after.weight)
    seen = targets["target"].where(targets["image_id"].isin(held_out), 1 - targets["target"])
    third = (splits, cohort, targets.assign(target=seen.where(seen != 2, -1)))
    assert (
        fit(spec(), align(spec(), *third), stored, torch.device("cpu")).weight != before.weight
    ).any()


def test_scores_of_all_trials_stand_where_the_index_says(frames, stored, tmp_path):
    """By hand: trial 1 scores edema of image 10 by sigmoid(0.1 x 10 - 2)."""
    images = align(spec(), *frames)
    weight = np.zeros((2, 2, 2), np.float32)
    weight[1, 0] = [0.1, -2.5]
    bias = np.zeros((2, 2), np.float32)
    bias[1, 0] = 0.5
    index = score(Fitted(weight, bias), images, stored, tmp_path / "t.npy")
    tables.TRIAL_INDEX.write(index, tmp_path / "t.parquet")
    found = np.load(tmp_path / "t.npy")
    assert found.dtype == np.float32
    assert found.shape == (2, len(index), 2)
    assert (found[0] == 0.5).all()
    assert set(index["fold"]) == {"validation", "test"}
    where = index.set_index("image_id").loc["i10", "row"]
    assert found[1, where, 0] == pytest.approx(1 / (1 + np.exp(1)))
    ordered = [int(name[1:]) for name in index.sort_values("row")["image_id"]]
    assert found[1, :, 0] == pytest.approx(1 / (1 + np.exp(2 - 0.1 * np.array(ordered))))


def test_predictions_are_of_trial_0_on_every_image(frames, stored, tmp_path):
    images = align(spec(), *frames)
    found = fit(spec(), images, stored, torch.device("cpu"))
    index = score(found, images, stored, tmp_path / "t.npy")
    said = predict(spec(), found, images, stored)
    tables.PREDICTIONS.write(said, tmp_path / "p.parquet")
    assert len(said) == 2 * N
    of_edema = said[said["label"] == "edema"].set_index("image_id")
    trial = np.load(tmp_path / "t.npy")[0, index["row"], 0]
    np.testing.assert_array_equal(of_edema.loc[index["image_id"], "score"], trial)
    assert of_edema.loc[["i08", "i09", "i16"], "target"].isna().all()
    assert of_edema.loc["i12", "target"] == 1


def test_the_card_says_what_was_fitted_and_on_how_many(frames, stored):
    images = align(spec(), *frames)
    found = fit(spec(), images, stored, torch.device("cpu"))
    said = describe(spec(), found, images)
    assert said["trials"] == 3
    assert said["training_images"] == 32
    inside = images.group[images.of("train")]
    assert list(said["groups"].values()) == [int((inside == g).sum()) for g in range(4)]
    assert any("in no group" in note for note in said["notes"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": ("sex", "rage")}, r"groups: no \['rage'\]; allowed: sex, race"),
        ({"labels": ("edema", "hernia")}, "label hernia: 0 positive, 0 negative; both classes"),
    ],
)
def test_what_is_not_there_is_refused(frames, changes, message):
    with pytest.raises(CxrfairError, match=message):
        align(spec(**changes), *frames)


def test_an_image_without_a_person_is_refused(frames):
    splits, cohort, targets = frames
    with pytest.raises(HeadTrialsError, match="1 images in folds are not in the cohort"):
        align(spec(), splits, cohort.iloc[1:], targets)


def test_scores_that_are_no_numbers_are_refused(frames, stored, tmp_path):
    images = align(spec(), *frames)
    weight = np.full((1, 2, 2), np.inf, np.float32)
    with pytest.raises(HeadTrialsError, match="trial 0: scores of .* images are not finite"):
        score(Fitted(weight, -weight[:, :, 0]), images, stored, tmp_path / "t.npy")
    assert not (tmp_path / "t.npy").exists()
