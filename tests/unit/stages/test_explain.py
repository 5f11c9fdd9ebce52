"""The stage that explains trained networks, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from cxrfair import embeddings, tables
from cxrfair.backbones import Card, build
from cxrfair.overlap import Saliency
from cxrfair.pictured_saliency import Pictures
from cxrfair.probes import ProbeConfig
from cxrfair.saliency import directions, explain, learners
from cxrfair.stages import explain as stage
from cxrfair.stages._cli import as_json, call

SIZE, LABELS = 32, ("edema", "nodule")
MODELS = [("erm", 0), ("erm", 1), ("vit", 0), ("vit", 1)]
BACKBONES = {"erm": "test_resnet", "vit": "test_vit"}
IDS = [f"i{n:02d}" for n in range(12)]
EFFECTS = {"sex": ("male", "female")}


def card(backbone):
    told = {"backbone": backbone, "labels": LABELS, "size": SIZE, "channels": 1, "method": "erm"}
    words = ("pretrained", "origin", "batch_statistics", "provenance", "source")
    numbers = dict.fromkeys(("selected_epoch", "early_epoch", "epochs"), 1)
    rest = {"settings": {"weighted_bce": False}, "groups": (), "measure": "auroc"}
    return Card(**told, **dict.fromkeys(words, "none"), **numbers, **rest)


def network(variant, seed):
    torch.manual_seed(seed)
    return build(BACKBONES[variant], "none", len(LABELS), SIZE).eval()


@pytest.fixture
def flags(made, tmp_path, monkeypatch):
    """What the stage is given of patients, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exactly = torch.are_deterministic_algorithms_enabled()
    pixels = np.random.default_rng(0).integers(0, 255, (12, SIZE, SIZE)).astype(np.uint8)
    np.save("pixels.npy", pixels)
    frames = made.training(size=SIZE)
    tables.STORE_INDEX.write(frames["index"].head(12), Path("index"))
    people = frames["cohort"].head(12).assign(sex=["male", "female"] * 6)
    tables.COHORT.write(people, Path("cohort"))
    fold = ["train"] * 8 + ["test"] * 4
    splits = pd.DataFrame({"image_id": IDS, "fold": fold, "cell": "x"})
    tables.SPLITS.write(splits, Path("splits"))
    for variant, seed in MODELS:
        net, name = network(variant, seed), f"{variant}{seed}"
        save_file(net.state_dict(), f"{name}.safetensors")
        Path(f"{name}.json").write_text(as_json(card(BACKBONES[variant]).model_dump()))
        values = np.random.default_rng(seed).normal(size=(12, net.width)).astype(np.float32)
        embeddings.write(Path(f"{name}.npy"), [values], values.shape)
        index = splits[["image_id", "fold"]].assign(row=np.arange(12))
        tables.EMBEDDING_INDEX.write(index, Path(f"{name}.parquet"))
    study = {
        **{"datasets": ["nih"], "labels": LABELS, "attributes": ["sex"], "reference": "erm"},
        **{"variants": {v: {"method": v} for v in BACKBONES}, "seeds": [0, 1]},
        "effects": EFFECTS,
    }
    names = [f"{variant}{seed}" for variant, seed in MODELS]
    yield {
        **{"--name": "quick", "--dataset": "nih", "--study": json.dumps(study)},
        "--models": json.dumps(MODELS),
        "--weights": [f"{name}.safetensors" for name in names],
        "--cards": [f"{name}.json" for name in names],
        "--features": [f"{name}.npy" for name in names],
        "--places": [f"{name}.parquet" for name in names],
        **{"--splits": "splits", "--cohort": "cohort", "--truth": []},
        **{"--pixels": "pixels.npy", "--index": "index", "--threads": "1"},
        **{"--config": '{"images": 3, "annotated": 3, "share": 0.25}'},
        **{"--probe": '{"images": 100, "penalty": 0.01}'},
        **{"--maps": "maps.npy", "--where": "where.parquet", "--pictures": "pictures.npz"},
    }
    torch.use_deterministic_algorithms(exactly)


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(stage.explain, [word for words in pairs for word in words])


def test_every_model_is_explained_by_its_own_weights_and_features(flags, capfd):
    run(flags)
    assert "explain quick nih: 4 in" in capfd.readouterr().err
    kept = Saliency.read(Path("maps.npy"), Path("where.parquet"))
    assert len(kept.index) == 4 * 3 * 3  # models, images, two labels and sex
    ids = sorted(kept.index["image_id"].unique())
    assert set(ids) < set(IDS[8:])
    image = torch.tensor(np.load("pixels.npy")[[IDS.index(name) for name in ids]])[:, None] / 255
    splits, cohort = tables.SPLITS.read(Path("splits")), tables.COHORT.read(Path("cohort"))
    of = learners(splits, cohort, EFFECTS, ProbeConfig(images=100, penalty=0.01))
    for variant, seed in MODELS:
        index = tables.EMBEDDING_INDEX.read(Path(f"{variant}{seed}.parquet"))
        stored = embeddings.Embeddings(Path(f"{variant}{seed}.npy"), index)
        wanted = explain(network(variant, seed), directions(stored, of, EFFECTS, 0.01), image)
        asked = [("label", "edema"), ("label", "nodule"), ("attribute", "sex")]
        found = np.stack([kept.maps((variant, seed), each, ids) for each in asked], axis=1)
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3)
    shapes = kept.index.groupby("variant")[["rows", "columns"]].max()
    assert shapes.to_numpy().tolist() == [[1, 1], [2, 2]]
    assert len(Pictures.read(Path("pictures.npz")).image_ids) == 0  # no patient is pictured


def test_of_a_phantom_a_few_pictures_are_kept(flags, monkeypatch):
    mask = np.zeros((2, SIZE, SIZE), bool)
    mask[:, :16, :16] = True
    known = {"edema": (np.array([0, 2]), mask)}
    monkeypatch.setattr(stage.outlines, "from_truth", lambda _ids, _truth, _size: known)
    run(flags | {"--truth": ["truth"]})
    kept = Pictures.read(Path("pictures.npz"))
    ids = sorted(tables.SALIENCY_INDEX.read(Path("where.parquet"))["image_id"].unique())
    assert kept.image_ids == (ids[0], ids[2])
    assert list(kept.seen) == ["erm", "vit"]
    pixels = np.load("pixels.npy")[[IDS.index(name) for name in kept.image_ids]]
    np.testing.assert_array_equal(kept.seen["vit"], pixels)
    np.testing.assert_array_equal(kept.masks, mask)


def test_twice_the_same_is_the_same_bytes(flags):
    names = ("maps.npy", "where.parquet", "pictures.npz")
    run(flags)
    before = [Path(name).read_bytes() for name in names]
    run(flags)
    assert [Path(name).read_bytes() for name in names] == before


def test_a_study_without_effects_ends_in_one_message_and_no_file(flags):
    study = json.loads(flags["--study"]) | {"effects": {}}
    with pytest.raises(SystemExit, match="studies.quick: no `effects`; maps are of their attribut"):
        run(flags | {"--study": json.dumps(study)})
    assert not Path("maps.npy").exists()


def test_features_of_other_images_end_in_one_message(flags):
    index = tables.EMBEDDING_INDEX.read(Path("vit1.parquet"))
    tables.EMBEDDING_INDEX.write(
        index.assign(image_id="x" + index["image_id"]), Path("vit1.parquet")
    )
    with pytest.raises(SystemExit, match="embeddings: 8 ids that have none; there are 12"):
        run(flags)
    assert not Path("maps.npy").exists()
