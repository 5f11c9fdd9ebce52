import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair import tables
from cxrfair.backbones import Card, build
from cxrfair.images.store import Store
from cxrfair.inference import predict

CARD = Card(
    backbone="test_resnet",
    pretrained="none",
    labels=("edema", "nodule"),
    size=32,
    method="erm",
    selected_epoch=1,
)


@pytest.fixture
def given(tmp_path):
    ids = [f"i{n}" for n in range(6)]
    np.save(
        tmp_path / "p.npy", np.random.default_rng(0).integers(0, 255, (6, 32, 32)).astype(np.uint8)
    )
    store = Store(
        tmp_path / "p.npy", pd.DataFrame({"image_id": ids, "row": range(6), "quarantine": None})
    )
    folds = ["train", "train", "validation", "validation", "test", "test"]
    splits = pd.DataFrame({"image_id": ids, "fold": folds, "cell": "x"})
    targets = pd.DataFrame(
        {"image_id": ids, "label": "edema", "target": pd.array([1, 0, 1, 0, None, 1], "Int8")}
    )
    torch.manual_seed(0)
    return build("test_resnet", "none", 2, 32), CARD, (splits, targets), store, torch.device("cpu")


def test_only_images_that_were_not_trained_on_are_scored(given, tmp_path):
    rows = predict(*given)
    tables.PREDICTIONS.write(rows, tmp_path / "t")
    assert set(rows["image_id"]) == {"i2", "i3", "i4", "i5"}
    assert rows.groupby("label").size().to_dict() == {"edema": 4, "nodule": 4}
    assert rows["score"].between(0, 1).all()


def test_targets_are_kept_and_missing_ones_stay_empty(given):
    rows = predict(*given).set_index(["label", "image_id"])["target"]
    assert rows["edema"].astype(object).where(rows["edema"].notna(), None).tolist() == [
        1,
        0,
        None,
        1,
    ]
    assert rows["nodule"].isna().all()


def test_scores_do_not_depend_on_neighbours(given):
    net, card, (splits, targets), store, device = given
    whole = predict(net, card, (splits, targets), store, device).set_index(["label", "image_id"])
    alone = predict(net, card, (splits[splits["image_id"] == "i5"], targets), store, device)
    for row in alone.itertuples():
        assert row.score == pytest.approx(whole.loc[(row.label, row.image_id), "score"], abs=1e-6)


def test_doubts_are_not_judged(given):
    net, card, (splits, targets), store, device = given
    doubted = targets.assign(target=pd.array([1, 0, -1, 0, -1, 1], "Int8"))
    rows = predict(net, card, (splits, doubted), store, device).set_index(["label", "image_id"])
    assert rows.loc["edema", "target"].isna().tolist() == [True, False, True, False]
    assert set(rows["target"].dropna()) == {0, 1}
