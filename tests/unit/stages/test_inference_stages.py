"""The stages that ask a trained network, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from cxrfair import tables
from cxrfair.backbones import Card, build
from cxrfair.embeddings import Embeddings
from cxrfair.stages import draw, embed, predict
from cxrfair.stages._cli import as_json, call

FOLDS = ["train", "validation", "test", "test"]
IDS = ["i0", "i1", "i2", "i3"]
SIZE = 32


def card(backbone):
    return Card(
        backbone=backbone,
        pretrained="none",
        origin="random",
        channels=1,
        labels=("edema", "nodule", "fracture"),
        size=SIZE,
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


def index():
    """One image more than there are in folds: it cannot be read."""
    frame = pd.DataFrame({"image_id": [*IDS, "j"], "row": pd.array([0, 1, 2, 3, None], "Int64")})
    frame["checksum"] = ["x"] * 4 + [None]
    frame["quarantine"] = [None] * 4 + ["truncated"]
    whole = pd.array([SIZE] * 4 + [None], "Int32")
    return frame.assign(width=whole, height=whole, decode_error=np.float32(np.nan))


def targets():
    rows = [(i, label) for i in IDS for label in ("edema", "nodule", "fracture")]
    frame = pd.DataFrame(rows, columns=["image_id", "label"])
    return frame.assign(target=pd.array([1, 0, None] * 4, "Int8"))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """What the stages read, under the names of their arguments; run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exactly = torch.are_deterministic_algorithms_enabled()
    pixels = np.random.default_rng(0).integers(0, 255, (5, SIZE, SIZE)).astype(np.uint8)
    np.save("pixels.npy", pixels)
    tables.STORE_INDEX.write(index(), Path("index"))
    tables.SPLITS.write(pd.DataFrame({"image_id": IDS, "fold": FOLDS, "cell": "x"}), Path("splits"))
    tables.TARGETS.write(targets(), Path("targets"))
    trained("test_resnet", Path())
    yield {
        "--weights": "model.safetensors",
        "--card": "model.json",
        "--splits": "splits",
        "--pixels": "pixels.npy",
        "--index": "index",
        "--threads": "1",
    }
    torch.use_deterministic_algorithms(exactly)


def trained(backbone, folder):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    network = build(backbone, "none", 3, SIZE)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "model.json").write_text(as_json(card(backbone).model_dump()))
    return network


def run(stage, flags):
    call(stage, [word for pair in flags.items() for word in pair])


def scored(files, to):
    run(predict.predict, {**files, "--targets": "targets", "--predictions": to})
    return tables.PREDICTIONS.read(Path(to))


def embedded(files, to):
    run(embed.embed, {**files, "--features": f"{to}.npy", "--places": f"{to}.parquet"})
    return Embeddings(Path(f"{to}.npy"), tables.EMBEDDING_INDEX.read(Path(f"{to}.parquet")))


CONFIG = {"images": 64, "annotated": 64, "share": 0.25}


def drawn(files, to, *marks, **changes):
    """Maps that stage `draw` makes, told by `marks` which images have a mask."""
    out = {"--maps": f"{to}.npy", "--places": f"{to}.parquet", "--about": f"{to}.json"}
    flags = {**files, "--config": json.dumps(CONFIG | changes), **out}
    words = [word for pair in flags.items() for word in pair]
    call(draw.draw, [*words, "--annotated", *marks])
    found = tables.MAP_INDEX.read(Path(f"{to}.parquet"))
    return np.load(f"{to}.npy"), found, json.loads(Path(f"{to}.json").read_text())


def test_the_head_on_stored_features_gives_the_stored_scores(files):
    scores = scored(files, "p").pivot(index="image_id", columns="label", values="score")
    stored = embedded(files, "e").read(IDS)
    head = trained("test_resnet", Path()).head
    with torch.no_grad():
        again = torch.sigmoid(head(torch.tensor(stored))).numpy()
    assert scores.index.tolist() == IDS
    np.testing.assert_allclose(again, scores[list(card("x").labels)].to_numpy(), atol=1e-6)


def test_twice_the_same_is_the_same_bytes(files):
    made = []
    for to in ("1", "2"):
        scored(files, f"p{to}")
        embedded(files, f"e{to}")
        drawn(files, f"m{to}")
        names = ["p", "e.npy", "e.parquet", "m.npy", "m.parquet", "m.json"]
        made.append([Path(f"{n[0]}{to}{n[1:]}").read_bytes() for n in names])
    assert made[0] == made[1]


def test_maps_of_two_variants_are_of_the_same_images(files):
    trained("test_vit", Path("vit"))
    vit = {**files, "--weights": "vit/model.safetensors", "--card": "vit/model.json"}
    activation, images, about = drawn(files, "a")
    attention, again, of_vit = drawn(vit, "b")
    pd.testing.assert_frame_equal(images, again)
    assert images["image_id"].tolist() == ["i2", "i3"]
    assert about == {"name": "class_activation", "of": ["edema", "nodule", "fracture"]}
    assert of_vit == {"name": "attention", "of": []}
    assert activation.shape == (2, 3, 1, 1)
    assert attention.shape == (2, 1, 2, 2)
    np.testing.assert_allclose(attention.sum((1, 2, 3)), 1, rtol=1e-5)


def test_images_with_a_mask_are_drawn_beside_the_others(files):
    marks = pd.DataFrame({"image_id": ["i0", "i2", "i3"], "label": "edema", "row": range(3)})
    tables.MASK_INDEX.write(marks.assign(fold=["train", "test", "test"]), Path("marks"))
    (first,) = drawn(files, "a", images=1)[1]["image_id"]
    (other,) = {"i2", "i3"} - {first}
    assert drawn(files, "b", "marks", images=1)[1]["image_id"].tolist() == ["i2", "i3"]
    assert drawn(files, "c", "marks", images=1, annotated=1)[1]["image_id"].tolist() == [first]
    tables.MASK_INDEX.write(marks[marks["image_id"] == other].assign(fold="test"), Path("one"))
    assert drawn(files, "d", "one", images=1, annotated=1)[1]["image_id"].tolist() == ["i2", "i3"]
    with pytest.raises(SystemExit, match="draw: 2 files of annotated; allowed: 0 or 1"):
        drawn(files, "e", "marks", "one")


@pytest.mark.parametrize("made", [scored, embedded, drawn])
def test_weights_of_another_network_end_in_one_message_and_no_file(files, made, tmp_path):
    before = set(tmp_path.iterdir())
    save_file(build("test_vit", "none", 3, SIZE).state_dict(), "model.safetensors")
    with pytest.raises(SystemExit, match="error: weights of test_resnet: .* do not fit"):
        made(files, "x")
    assert set(tmp_path.iterdir()) == before


def test_an_unreadable_image_in_a_fold_stops_the_stage(files):
    splits = pd.DataFrame({"image_id": [*IDS, "j"], "fold": [*FOLDS, "train"], "cell": "x"})
    tables.SPLITS.write(splits, Path("splits"))
    for made in (scored, embedded):
        with pytest.raises(SystemExit, match="1 ids it does not hold"):
            made(files, "x")
