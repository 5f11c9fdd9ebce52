import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair import inference, tables, thresholds
from cxrfair.backbones import Card, build
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.inference import InferenceError, predict
from cxrfair.shown import DrawConfig, shown
from cxrfair.training import scoring
from cxrfair.training.scoring import WeightsError, restore

CPU = torch.device("cpu")
CARD = Card(
    backbone="test_resnet",
    pretrained="none",
    origin="random",
    channels=1,
    labels=("edema", "nodule"),
    size=32,
    method="erm",
    settings={"weighted_bce": False},
    groups=(),
    batch_statistics="one mixed forward pass",
    provenance="none",
    source="none",
    measure="auroc",
    selected_epoch=1,
    early_epoch=1,
    epochs=2,
)
FOLDS = ["train", "train", "validation", "validation", "test", "test"]
N = len(FOLDS)


@dataclasses.dataclass
class Given:
    net: torch.nn.Module
    splits: pd.DataFrame
    targets: pd.DataFrame
    store: Store

    def predict(self, **changed):
        given = dataclasses.replace(self, **changed)
        return predict(given.net, CARD, (given.splits, given.targets), given.store, CPU)


@pytest.fixture(scope="module")
def made():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = build("test_resnet", "none", 2, 32)
    with torch.no_grad():
        for _ in range(3):  # batch statistics of its own, so that evaluation differs from training
            net(torch.rand(8, 1, 32, 32))
    return net


@pytest.fixture
def given(tmp_path, made):
    """Seven images are stored, of which the last cannot be read and is in no fold."""
    ids = [f"i{n}" for n in range(N)]
    pixels = np.random.default_rng(0).integers(0, 255, (N + 1, 32, 32)).astype(np.uint8)
    np.save(tmp_path / "p.npy", pixels)
    index = pd.DataFrame({"image_id": [*ids, "broken"], "row": [*range(N), None]})
    index["quarantine"] = [None] * N + ["truncated"]
    splits = pd.DataFrame({"image_id": ids, "fold": FOLDS, "cell": "x"})
    targets = pd.DataFrame(
        {"image_id": ids, "label": "edema", "target": pd.array([1, 0, 1, 0, None, 1], "Int8")}
    )
    return Given(made, splits, targets, Store(tmp_path / "p.npy", index))


def test_every_image_of_every_fold_is_scored_once(given, tmp_path):
    rows = given.predict()
    tables.PREDICTIONS.write(rows, tmp_path / "t")
    assert not rows.duplicated(["image_id", "label"]).any()
    folds = rows[rows["label"] == "nodule"].set_index("image_id")["fold"]
    assert folds.to_dict() == dict(zip(given.splits["image_id"], FOLDS, strict=True))
    assert rows.groupby("label").size().to_dict() == {"edema": N, "nodule": N}
    assert rows["score"].between(0, 1).all()


def test_scores_are_those_of_the_network_on_the_image_as_it_is(given):
    rows = given.predict().pivot(index="image_id", columns="label", values="score")
    pixels = given.store.read(np.arange(N))
    given.net.eval()
    with torch.no_grad():
        logits = given.net(torch.tensor(pixels / 255, dtype=torch.float32)[:, None])
    expected = torch.sigmoid(logits).numpy()
    np.testing.assert_allclose(rows[list(CARD.labels)].to_numpy(), expected, atol=1e-6)


def test_targets_are_kept_and_missing_ones_stay_empty(given):
    rows = given.predict().set_index(["label", "image_id"])["target"]
    edema = rows["edema"].astype(object).where(rows["edema"].notna(), None)
    assert edema.tolist() == [1, 0, 1, 0, None, 1]
    assert rows["nodule"].isna().all()


def test_scores_do_not_depend_on_neighbours(given):
    whole = given.predict().set_index(["label", "image_id"])
    alone = given.predict(splits=given.splits[given.splits["image_id"] == "i5"])
    for row in alone.itertuples():
        assert row.score == pytest.approx(whole.loc[(row.label, row.image_id), "score"], abs=1e-6)


def test_doubts_are_not_judged(given):
    doubted = given.targets.assign(target=pd.array([1, 0, -1, 0, -1, 1], "Int8"))
    rows = given.predict(targets=doubted).set_index(["label", "image_id"])
    assert rows.loc["edema", "target"].isna().tolist() == [False, False, True, False, True, False]
    assert set(rows["target"].dropna()) == {0, 1}


def test_the_network_is_left_in_the_mode_it_was_in(given, tmp_path):
    given.net.train()
    given.predict()
    inference.embed(given.net, given.splits, given.store, CPU, tmp_path / "f.npy")
    inference.draw(given.net, CARD, ["i0"], given.store, CPU)
    assert all(part.training for part in given.net.modules())


def test_an_image_that_cannot_be_read_has_no_row_and_in_a_fold_it_stops_the_run(given, tmp_path):
    assert "broken" not in set(given.predict()["image_id"])
    wrong = pd.concat(
        [given.splits, pd.DataFrame({"image_id": ["broken"], "fold": "test", "cell": "x"})]
    )
    with pytest.raises(CxrfairError, match="1 ids it does not hold"):
        given.predict(splits=wrong)
    with pytest.raises(CxrfairError, match="1 ids it does not hold"):
        inference.embed(given.net, wrong, given.store, CPU, tmp_path / "f.npy")


def test_scores_that_are_no_numbers_are_not_written(given):
    broken = build("test_resnet", "none", 2, 32)
    with torch.no_grad():
        broken.head.bias[1] = np.nan
    with pytest.raises(InferenceError, match="scores of 6 images are not finite"):
        given.predict(net=broken)


@pytest.mark.parametrize("fold", ["train", "test"])
def test_thresholds_refuse_scores_of_any_fold_but_validation(given, fold):
    rows = given.predict()
    config = thresholds.ThresholdConfig(rule="max_f1")
    with pytest.raises(thresholds.ThresholdError, match=fold):
        thresholds.fit(rows[rows["fold"].isin(["validation", fold])], config)


def test_features_are_those_the_head_reads_of_every_image(given, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "AT_ONCE", 4)
    mixed = given.splits.iloc[[3, 0, 5, 1, 4, 2]]
    index = inference.embed(given.net, mixed, given.store, CPU, tmp_path / "f.npy")
    tables.EMBEDDING_INDEX.write(index, tmp_path / "i.parquet")
    kept = Embeddings(tmp_path / "f.npy", tables.EMBEDDING_INDEX.read(tmp_path / "i.parquet"))
    ids = given.splits["image_id"].tolist()
    assert dict(zip(index["image_id"], index["fold"], strict=True)) == dict(
        zip(ids, FOLDS, strict=True)
    )
    stored = torch.tensor(kept.read(ids))
    rows = np.arange(N)
    torch.testing.assert_close(stored, scoring.features(given.net, given.store, rows, CPU))
    logits = scoring.score(given.net, given.store, rows, CPU)
    torch.testing.assert_close(given.net.head(stored), logits)


def test_features_are_the_same_bytes_however_the_splits_are_sorted(given, tmp_path):
    one = inference.embed(given.net, given.splits, given.store, CPU, tmp_path / "1")
    two = inference.embed(given.net, given.splits[::-1], given.store, CPU, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("backbone", "name", "of", "shape"),
    [
        ("test_resnet", "class_activation", ("edema", "nodule"), (2, 2, 1, 1)),
        ("test_vit", "attention", (), (2, 1, 2, 2)),
    ],
)
def test_two_kinds_of_network_draw_the_same_images(given, backbone, name, of, shape):
    net = build(backbone, "none", 2, 32)
    images = shown(given.splits, DrawConfig(images=5, annotated=5, share=0.25))
    drawn = inference.draw(net, CARD, images, given.store, CPU)
    tables.MAP_INDEX.check(drawn.index)
    assert (drawn.name, drawn.of, drawn.values.shape) == (name, of, shape)
    assert drawn.values.dtype == np.float32
    assert drawn.index["image_id"].tolist() == ["i4", "i5"]
    net.eval()
    image = torch.tensor(given.store.read(np.array([5])) / 255, dtype=torch.float32)[:, None]
    np.testing.assert_allclose(drawn.values[1], net.draw(image)[1][0].numpy(), atol=1e-5)


def test_maps_of_no_image_or_of_no_numbers_are_refused(given):
    with pytest.raises(InferenceError, match="0 images in fold 'test'"):
        inference.draw(given.net, CARD, [], given.store, CPU)
    broken = build("test_resnet", "none", 2, 32)
    with torch.no_grad():
        broken.head.weight[1, 0] = np.nan
    with pytest.raises(InferenceError, match="class_activation of 1 images is not finite"):
        inference.draw(broken, CARD, ["i0"], given.store, CPU)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_is_restored_from_its_card_and_weights(channels):
    net = build("test_resnet", "none", 2, 32, channels)
    again = restore(CARD.model_copy(update={"channels": channels}), net.state_dict())
    image = torch.rand(2, 1, 32, 32)
    assert torch.equal(again.eval()(image), net.eval()(image))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w | {"head.bias": torch.zeros(3)}, r"head.bias is \(3,\); allowed: \(2,\) \(1 "),
        (lambda w: {k: v for k, v in w.items() if k != "head.bias"}, "head.bias is missing"),
        (lambda w: w | {"more": torch.zeros(1)}, r"more is \(1,\); allowed: no such tensor"),
        (lambda _: build("test_vit", "none", 2, 32).state_dict(), "do not fit"),
        (lambda _: build("test_resnet", "none", 2, 32, 3).state_dict(), r"\(1 do not fit\)"),
    ],
    ids=["shape", "missing", "extra", "backbone", "channels"],
)
def test_weights_of_another_network_are_refused(given, change, said):
    with pytest.raises(WeightsError, match=said):
        restore(CARD, change(given.net.state_dict()))
